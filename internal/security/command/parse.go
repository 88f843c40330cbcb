package command

import (
	"slices"
	"strings"
)

// parser collects the simple commands of a line.
type parser struct {
	cmds []simple
	// depth is that of the script being read.
	depth int
}

// pending is a simple command while its tokens come in.
type pending struct {
	src   string
	words []token
	// redirs are redirections with what they are applied to.
	redirs  []token
	targets []token
	vector  bool
}

func (c *pending) empty() bool { return len(c.words) == 0 && len(c.redirs) == 0 }

// script reads a shell script.
func (p *parser) script(src string, depth int) {
	if depth <= maxDepth {
		p.lexed(src, lex(src, true), depth)
	}
}

// lexed reads a shell script that was cut into tokens.
func (p *parser) lexed(src string, toks []token, depth int) {
	saved := p.depth
	p.depth = depth
	from := len(p.cmds)
	p.tokens(src, toks, false)
	p.piped(from)
	p.depth = saved
}

// vector reads an argument vector that was joined with blanks.
func (p *parser) vector(line string) {
	toks := lex(line, false)
	if i := effective(toks); i < len(toks) && (opaque[base(toks[i].text)] || interpreter(base(toks[i].text))) {
		// What looks like an operator belongs to its arguments.
		for j := range toks {
			if toks[j].kind == operator {
				toks[j].kind = word
			}
		}
	}
	p.tokens(line, toks, true)
	p.piped(0)
}

func (p *parser) tokens(src string, toks []token, vector bool) {
	cur := pending{src: src, vector: vector}
	for i := 0; i < len(toks); i++ {
		t := toks[i]
		switch t.kind {
		case operator:
			p.flush(&cur, t.text)
		case redirect:
			cur.redirs = append(cur.redirs, t)
			target := token{start: t.end, end: t.end}
			if !closesItself(t.text) && i+1 < len(toks) && toks[i+1].kind == word {
				i++
				target = toks[i]
			}
			cur.targets = append(cur.targets, target)
		default:
			if len(cur.words) == 0 && len(cur.redirs) == 0 && keywords[t.text] && !t.quoted {
				continue
			}
			if braced := expanded(t); len(cur.words) == 0 && len(braced) > 0 {
				cur.words = append(cur.words, braced...)
				continue
			}
			cur.words = append(cur.words, t)
			if vector && p.rest(&cur, toks[i+1:]) {
				return
			}
		}
	}
	p.flush(&cur, "")
}

// rest handles the script of an unquoted "sh -c", which is all that follows.
// It reports whether it took it.
func (p *parser) rest(c *pending, after []token) bool {
	last := c.words[len(c.words)-1]
	if !strings.HasPrefix(last.text, "-") || len(after) == 0 {
		return false
	}
	i := effective(c.words)
	if i >= len(c.words)-1 {
		return false
	}
	name := shellName(c.words[i].text)
	switch {
	case shells[name] && commandFlag(c.words[i+1:]):
	case (name == "su" || name == "runuser") && last.text[len(last.text)-1] == 'c':
	default:
		return false
	}
	p.assigned(c.words[:i])
	script := strings.TrimSpace(c.src[last.end:])
	if quoted := after[0].quoted || strings.ContainsAny(after[0].text, " \t\n"); quoted && !hasOperator(after[1:]) {
		script = after[0].text
	} else if quoted && strings.ContainsAny(after[0].text, " \t\n") {
		// The script was quoted, and something follows it.
		p.script(after[0].text, p.depth+1)
		script = strings.TrimSpace(c.src[after[0].end:])
	}
	p.runScript(script, name)
	return true
}

// expanded returns the words of {a,b,c}, which droppers write where a blank is
// not allowed.
func expanded(t token) []token {
	inner, opened := strings.CutPrefix(t.text, "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !opened || !closed || t.quoted || !strings.Contains(inner, ",") {
		return nil
	}
	var words []token
	for w := range strings.SplitSeq(inner, ",") {
		words = append(words, token{text: w, start: t.start, end: t.end})
	}
	return words
}

func hasOperator(toks []token) bool {
	for _, t := range toks {
		if t.kind != word {
			return true
		}
	}
	return false
}

// closesItself reports whether a redirection needs no word after it (2>&1).
func closesItself(op string) bool {
	last := op[len(op)-1]
	return strings.Contains(op, "&") && (last >= '0' && last <= '9' || last == '-') && op[0] != '&'
}

// commandFlag reports whether options of a shell, the last of them a -c, are
// all that was given so far.
func commandFlag(opts []token) bool {
	for i, t := range opts {
		s := t.text
		if len(s) < 2 || s[0] != '-' && s[0] != '+' {
			if i == 0 || opts[i-1].text != "-o" && opts[i-1].text != "--rcfile" && opts[i-1].text != "--init-file" {
				return false
			}
		}
	}
	s := opts[len(opts)-1].text
	return len(s) > 1 && s[0] == '-' && s[1] != '-' && strings.Contains(s, "c")
}

// flush ends a simple command with the operator op.
func (p *parser) flush(c *pending, op string) {
	if op == "(" || op == ")" {
		op = ""
	}
	defer func() { *c = pending{src: c.src, vector: c.vector} }()
	if c.empty() {
		// Behind a bracket or "done" the operator belongs to what stood within.
		if n := len(p.cmds); n > 0 && strings.HasPrefix(op, "|") {
			p.cmds[n-1].after = op
		}
		return
	}
	from := len(p.cmds)
	p.command(c)
	if n := len(p.cmds); n > from {
		p.cmds[n-1].after = op
	} else if n > 0 && op != "" {
		p.cmds[n-1].after = op
	}
}

// command adds a simple command, or what it runs if that is all it does.
func (p *parser) command(c *pending) {
	first := effective(c.words)
	p.assigned(c.words[:first])
	c.words = c.words[first:]
	if len(c.words) == 0 {
		if len(c.redirs) > 0 {
			p.add(c)
		}
		return
	}
	name := shellName(c.words[0].text)
	switch {
	case c.words[0].only: // what $(…) prints is run
		if program, ok := located(c.words[0].subs[0]); ok {
			c.words[0] = token{text: program, start: c.words[0].start, end: c.words[0].end}
			p.command(c)
			return
		}
		p.substituted(c.words[0].subs, "sh")
	case shells[name] && p.shell(c, name):
	case name == "eval" && len(c.words) > 1:
		p.runScript(joined(c.words[1:]), name)
		if len(c.redirs) > 0 {
			p.add(c)
		}
	case (name == "source" || name == ".") && len(c.words) > 1 && c.words[1].only:
		p.substituted(c.words[1].subs, name)
	case strings.ContainsAny(c.words[0].text, " \t\n") && c.words[0].quoted:
		p.script(c.words[0].text, p.depth+1)
	case interpreter(name):
		p.interpreted(c, name)
	default:
		p.others(c, name)
	}
}

// assigned adds the assignments that stand before a command as a command of
// their own, for what they change (HISTFILE, LD_PRELOAD).
func (p *parser) assigned(prefix []token) {
	var s simple
	for _, w := range prefix {
		if assignment(w.text) {
			s.words = append(s.words, w.text)
		}
	}
	if len(s.words) == 0 {
		return
	}
	s.text, s.after = strings.Join(s.words, " "), ";"
	i := len(p.cmds) // before the pipeline that the command belongs to
	for i > 0 && strings.HasPrefix(p.cmds[i-1].after, "|") {
		i--
	}
	p.cmds = slices.Insert(p.cmds, i, s)
}

// others adds a command that runs no script of its own, and the commands in
// its arguments.
func (p *parser) others(c *pending, name string) {
	for _, w := range c.words {
		for _, sub := range w.subs {
			p.script(sub, p.depth+1)
		}
	}
	p.add(c)
	if name != "find" {
		return
	}
	for i, w := range c.words {
		if w.text == "-exec" || w.text == "-execdir" || w.text == "-ok" {
			inner := pending{src: c.src}
			for _, t := range c.words[i+1:] {
				if t.text == ";" || t.text == "+" {
					break
				}
				inner.words = append(inner.words, t)
			}
			if len(inner.words) > 0 && p.depth < maxDepth {
				p.depth++
				p.command(&inner)
				p.depth--
			}
			return
		}
	}
}

// shell adds what a shell runs; false if it runs nothing that the line shows.
func (p *parser) shell(c *pending, name string) bool {
	for i := 1; i < len(c.words); i++ {
		w := c.words[i]
		switch {
		case commandFlag(c.words[1:i+1]) && i+1 < len(c.words):
			p.runScript(c.words[i+1].text, name)
			if len(c.redirs) > 0 { // bash -c 'bash -i' <&3: they are its
				p.add(c)
			}
			return true
		case strings.HasPrefix(w.text, "-") || strings.HasPrefix(w.text, "+"):
			if w.text == "-o" || w.text == "--rcfile" || w.text == "--init-file" {
				i++
			}
		case len(w.subs) > 0: // sh <(…), sh $(…)
			p.substituted(w.subs, name)
			return true
		case system(w.text): // a script that stands for a program
			c.words = c.words[i:]
			p.add(c)
			return true
		default:
			return false
		}
	}
	for i, r := range c.redirs {
		switch t := c.targets[i]; {
		case r.text == "<<<" && len(t.subs) > 0, strings.TrimLeft(r.text, "0") == "<" && len(t.subs) > 0:
			p.substituted(t.subs, name)
			return true
		case r.text == "<<<":
			p.script(t.text, p.depth+1)
			return true
		}
	}
	return false
}

// interpreted handles interpreters that are not shells.
func (p *parser) interpreted(c *pending, name string) {
	for i := 1; i < len(c.words); i++ {
		w := c.words[i]
		if system(w.text) {
			c.words = c.words[i:]
			p.add(c)
			return
		}
		if len(w.subs) > 0 && (w.only || strings.Trim(c.src[w.start:w.end], `"`) == w.text && len(w.subs) == 1) {
			p.substituted(w.subs, name)
			return
		}
		if !strings.HasPrefix(w.text, "-") {
			break
		}
	}
	p.raw(c, name)
}

// runScript opens up the script that name runs.
func (p *parser) runScript(script, name string) {
	if p.depth >= maxDepth {
		return
	}
	toks := lex(script, true)
	if len(toks) == 1 && toks[0].kind == word && len(toks[0].subs) == 1 {
		p.substituted(toks[0].subs, name)
		return
	}
	p.lexed(script, toks, p.depth+1)
}

// substituted adds scripts whose output is run: as if it were piped into name.
func (p *parser) substituted(subs []string, name string) {
	for _, sub := range subs {
		from := len(p.cmds)
		p.script(sub, p.depth+1)
		if n := len(p.cmds); n > from {
			p.cmds[n-1].after = "|"
			p.cmds = append(p.cmds, simple{words: []string{name}, text: name})
			p.piped(from)
		}
	}
}

// add adds a simple command as it is.
func (p *parser) add(c *pending) {
	s := simple{words: make([]string, len(c.words))}
	var b strings.Builder
	for i, w := range c.words {
		s.words[i] = w.text
		if i == 0 {
			b.WriteString(short(w.text))
			continue
		}
		if w.text != "" {
			b.WriteByte(' ')
			b.WriteString(w.text)
		}
	}
	p.finish(c, &s, &b)
}

// raw adds a command of an interpreter with its code as it was written.
func (p *parser) raw(c *pending, name string) {
	s := simple{words: make([]string, len(c.words))}
	for i, w := range c.words {
		s.words[i] = w.text
	}
	first, last := c.words[0], c.words[len(c.words)-1]
	var b strings.Builder
	b.WriteString(name)
	b.WriteString(c.src[first.end:last.end])
	p.finish(c, &s, &b)
	code := p.cmds[len(p.cmds)-1].text
	if plain := decodedCode(code); plain != "" {
		p.cmds = append(p.cmds, simple{words: []string{name, plain}, text: name + " " + plain})
		code += " " + plain
	}
	for _, m := range calls.FindAllStringSubmatch(code, maxCalls) {
		p.script(m[1]+m[2], p.depth+1)
	}
	for _, m := range lists.FindAllStringSubmatch(code, maxCalls) {
		p.script(unlist.Replace(m[1]), p.depth+1)
	}
}

// finish appends the redirections.
func (p *parser) finish(c *pending, s *simple, b *strings.Builder) {
	for i, r := range c.redirs {
		t := c.targets[i]
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.text)
		if t.text != "" || t.end > t.start {
			b.WriteByte(' ')
			b.WriteString(t.text)
		}
		switch {
		case r.text == "<<<":
			s.input = t.text
		case r.text[0] >= '2' && r.text[0] <= '9' && !strings.Contains(r.text, "<"): // not what it prints
		case strings.Contains(r.text, ">") && t.text != "":
			s.targets = append(s.targets, t.text)
		case t.text != "":
			s.inputs = append(s.inputs, t.text)
		}
		for _, sub := range t.subs {
			p.script(sub, p.depth+1)
		}
	}
	s.text = b.String()
	p.cmds = append(p.cmds, *s)
}

// located returns the program that "which NAME" and its like would print.
func located(sub string) (string, bool) {
	f := strings.Fields(sub)
	switch {
	case len(f) == 2 && f[0] == "which", len(f) == 3 && f[0] == "command" && f[1] == "-v":
		return f[len(f)-1], true
	}
	return "", false
}

func joined(words []token) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return b.String()
}
