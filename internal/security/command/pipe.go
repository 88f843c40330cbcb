package command

import (
	"regexp"
	"slices"
	"strings"
)

// calls finds the commands that code of an interpreter hands to a shell.
var calls = regexp.MustCompile(`(?:system|popen|exec|execSync|shell_exec|passthru|call|run|check_output|getoutput|spawn)\s*\(?\s*(?:"([^"]* [^"]*)"|'([^']* [^']*)')`)

// lists finds the commands that code runs by a list of arguments.
var lists = regexp.MustCompile(`(?:run|call|check_call|check_output|Popen|execv\w*|spawn\w*|execFile\w*)\s*\([^()\[\]]{0,64}\[\s*(["'][^\]]*)\]`)

// unlist makes a command of a list of arguments.
var unlist = strings.NewReplacer(`"`, "", `'`, "", ", ", " ", ",", " ")

// maxCalls bounds how many are looked at.
const maxCalls = 32

var encoded = regexp.MustCompile(`(?:b64decode|decode_base64|base64_decode|atob|from)\s*\(\s*b?["']?([A-Za-z0-9+/=_-]{16,})`)

// decodedCode returns what code hides in base64.
func decodedCode(code string) string {
	var plain []string
	for _, m := range encoded.FindAllStringSubmatch(code, maxCalls) {
		if s, ok := fromBase64(m[1]); ok {
			plain = append(plain, s)
		}
	}
	return strings.Join(plain, " ")
}

// piped opens up text that the commands from index from on write into a shell,
// encoded or not.
func (p *parser) piped(from int) {
	if p.depth >= maxDepth {
		return
	}
	// What is added meanwhile was opened up when it was read.
	for i, n := from, len(p.cmds); i < n; i++ {
		c := &p.cmds[i]
		if c.opened || !strings.HasPrefix(c.after, "|") && len(c.targets) == 0 {
			continue
		}
		s, ok := printed(c)
		if !ok {
			continue
		}
		c.opened = true
		if p.kept(c, s); !strings.HasPrefix(c.after, "|") {
			continue
		}
		for j := i + 1; j < len(p.cmds) && ok; j++ {
			next := p.cmds[j]
			if name := next.name(); readsCode(&next) {
				p.code(name, s)
				break
			}
			p.kept(&next, s)
			if s, ok = transformed(&next, s); !strings.HasPrefix(next.after, "|") {
				break
			}
		}
	}
}

// starts are files whose lines are run later.
var starts = regexp.MustCompile(`^(/etc/crontab$|/etc/cron\.|/var/spool/cron|/etc/rc\.local$|/etc/init\.d/|/etc/profile|\S*/\.(bash|zsh)?(rc|_profile|profile|login)$|\S*/\.bashrc$|~/\.(bash|zsh)?rc$)`)

// kept opens up text that is written where it is run later.
func (p *parser) kept(s *simple, text string) {
	files := s.targets
	if s.name() == "tee" {
		files = s.words[1:]
	}
	if slices.ContainsFunc(files, starts.MatchString) {
		p.code("crontab", text)
	}
}

// code adds what the program name is given to run.
func (p *parser) code(name, s string) {
	switch {
	case interpreter(name):
		p.cmds = append(p.cmds, simple{words: []string{name, s}, text: name + " " + s, opened: true})
	case name == "crontab":
		for line := range strings.Lines(s) {
			p.script(scheduled(line), p.depth+1)
		}
	default:
		p.script(s, p.depth+1)
	}
}

// name returns the base name of the program.
func (s *simple) name() string {
	if len(s.words) == 0 {
		return ""
	}
	return shellName(s.words[0])
}

// printed returns what a command prints, if its words tell.
func printed(s *simple) (string, bool) {
	if len(s.words) == 0 {
		return "", false
	}
	args := s.words[1:]
	switch s.name() {
	case "echo":
		escapes := false
		for len(args) > 0 && (args[0] == "-n" || args[0] == "-e" || args[0] == "-ne" || args[0] == "-en" || args[0] == "-E") {
			escapes = escapes || strings.Contains(args[0], "e")
			args = args[1:]
		}
		text := strings.Join(args, " ")
		if escapes {
			text = unescape(text)
		}
		return text, len(args) > 0
	case "printf":
		if len(args) > 1 && strings.HasPrefix(args[0], "%") {
			return strings.Join(args[1:], " "), true
		}
		return unescape(strings.Join(args, " ")), len(args) > 0
	}
	if s.input != "" {
		return transformed(s, s.input)
	}
	return "", false
}

// transformed returns what a filter makes of a text, if that is known.
func transformed(s *simple, in string) (string, bool) {
	args := ""
	if len(s.words) > 1 {
		args = strings.Join(s.words[1:], " ")
	}
	switch s.name() {
	case "base64":
		if strings.Contains(args, "-d") || strings.Contains(args, "-D") || strings.Contains(args, "-i") {
			return fromBase64(in)
		}
	case "openssl":
		if strings.Contains(args, "base64") && strings.Contains(args, "-d") || strings.Contains(args, "-a") && strings.Contains(args, "-d") {
			return fromBase64(in)
		}
	case "xxd":
		if strings.Contains(args, "-r") {
			return fromHex(in)
		}
	case "rev":
		r := []rune(in)
		slices.Reverse(r)
		return string(r), true
	case "cat", "tee", "sort", "tr", "sed":
		return in, true
	}
	return "", false
}

// accounts are names that stand between time and command in a crontab of the
// system, and are no programs.
var accounts = set("root pi admin www-data nobody ubuntu debian daemon")

// scheduled takes the time off a line of a crontab.
func scheduled(line string) string {
	f := strings.Fields(line)
	if len(f) > 1 && strings.HasPrefix(f[0], "@") {
		return strings.Join(f[1:], " ")
	}
	if len(f) > 5 && strings.Trim(strings.Join(f[:5], ""), "0123456789*/,-") == "" {
		f = f[5:]
		if len(f) > 1 && accounts[f[0]] {
			f = f[1:]
		}
		return strings.Join(f, " ")
	}
	return line
}

// readsCode reports whether a command runs what comes in on standard input.
func readsCode(s *simple) bool {
	if len(s.words) == 0 || len(s.inputs) > 0 || s.input != "" {
		return false
	}
	name, args := s.name(), s.words[1:]
	switch {
	case shells[name]:
		for i, a := range args {
			if a == "-s" || a == "-" || a == "/dev/stdin" {
				return true
			}
			if a == "" || a[0] != '-' && a[0] != '+' {
				return i > 0 && (args[i-1] == "-o" || args[i-1] == "--rcfile")
			}
		}
		return true
	case interpreter(name):
		for _, a := range args {
			switch {
			case a == "-" || a == "/dev/stdin":
				return true
			case a == "" || a[0] != '-' || strings.ContainsAny(a, "cemnpr"):
				return false
			}
		}
		return true
	case name == "eval":
		return len(args) == 0
	case name == "source" || name == ".":
		return len(args) == 0 || args[0] == "/dev/stdin"
	case name == "crontab":
		return len(args) == 0 || args[len(args)-1] == "-"
	case name == "at" || name == "batch":
		return !slices.Contains(args, "-f") && !slices.Contains(args, "-l")
	}
	return false
}
