package command

import "strings"

// Line says what a command line runs. A zero Line is ready to Parse, and a
// Line may be used again: Parse overwrites what it held.
type Line struct {
	// Commands are the simple commands in the order they stand: base name of
	// the program (a path stays if it lies outside the usual program
	// directories), arguments without quotes, one blank between, redirections
	// as "> file". Scripts within (sh -c, eval, $(…), a here-string, text
	// piped into a shell) are opened up. Code of other interpreters stays as
	// it was written.
	Commands []string
	// Script is all of it on one line, with the operators between: "curl -s
	// http://… | sh".
	Script string
	// Fetched names what the line downloads and then runs, by URL as it is
	// written there.
	Fetched []string

	cmds []simple
}

// simple is one simple command and the operator that follows it.
type simple struct {
	// words are program and arguments, text all with its redirections.
	words []string
	text  string
	// targets are the files that output is redirected to.
	targets []string
	after   string
	// inputs are files that it reads, input what it reads from a here-string.
	inputs []string
	input  string
	// opened says that text piped into it was opened up already.
	opened bool
}

// maxDepth bounds scripts within scripts. Each level reads its text once.
const maxDepth = 8

// Parse reads the command line of a process that runs executable, which tells
// whether a line that names no shell is a script nevertheless; it may be "".
func (l *Line) Parse(executable, line string) {
	l.Commands, l.Fetched, l.cmds = l.Commands[:0], l.Fetched[:0], l.cmds[:0]
	l.Script = ""
	line = strings.TrimSpace(line)
	if line == "" {
		return
	}
	first, _, _ := strings.Cut(line, " ")
	windows := isWindows(first)
	if plain, ok := plainCommand(line); ok && !windows {
		l.Commands, l.Script = append(l.Commands, plain), plain
		return
	}
	p := parser{}
	switch {
	case windows:
		p.windows(line)
	case line[0] == '(', keywords[first] && first != "time" && first != "[", first == "for", assignment(first):
		p.script(line, 0)
	case shells[base(executable)] && !shells[base(strings.TrimPrefix(first, "-"))]:
		p.script(line, 0)
	default:
		p.vector(line)
	}
	l.cmds = p.cmds
	l.finish()
}

// finish makes the texts of the commands.
func (l *Line) finish() {
	var b strings.Builder
	for i := range l.cmds {
		c := &l.cmds[i]
		if c.text == "" {
			continue
		}
		l.Commands = append(l.Commands, c.text)
		b.WriteString(c.text)
		if i < len(l.cmds)-1 {
			b.WriteByte(' ')
			b.WriteString(orElse(c.after, ";"))
			b.WriteByte(' ')
		}
	}
	l.Script = b.String()
	l.Fetched = run(l.Fetched, l.cmds)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// plainCommand returns a line that is one simple command without anything to
// take off, as most lines are, without copying it.
func plainCommand(line string) (string, bool) {
	for i := range len(line) {
		switch line[i] {
		case '\'', '"', '\\', '$', '`', '|', ';', '&', '<', '>', '(', ')', '{', '}', '\n', '\t', '\r':
			return "", false
		case ' ':
			if line[i-1] == ' ' { // not the first: line is trimmed
				return "", false
			}
		}
	}
	first, rest, _ := strings.Cut(line, " ")
	name := base(first)
	if special(name) || assignment(first) || interpreter(name) && strings.Contains(rest, "/") {
		return "", false
	}
	return line[len(first)-len(short(first)):], true
}

// programDirs are where programs usually lie: their names say enough.
var programDirs = []string{"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/local/bin/", "/usr/local/sbin/", "/snap/bin/", "/usr/libexec/", "/lib/systemd/"}

// short returns the name of a program that lies where programs usually lie,
// else its path.
func short(path string) string {
	for _, dir := range programDirs {
		if name, ok := strings.CutPrefix(path, dir); ok && name != "" && !strings.Contains(name, "/") {
			return name
		}
	}
	return path
}

// base returns what follows the last slash.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
