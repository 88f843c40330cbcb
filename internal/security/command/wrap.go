package command

import (
	"slices"
	"strings"
)

// shells run a script that is given by -c, by a file or on standard input.
var shells = set("sh bash dash ash zsh ksh ksh93 mksh pdksh csh tcsh fish hush rbash yash")

// opaque programs take arguments that look like operators of a shell: text to
// search, code, commands of another machine.
var opaque = set("grep egrep fgrep zgrep rg ag ack awk gawk mawk nawk sed jq yq find echo printf logger git ssh " +
	"mysql psql sqlite3 nft crontab mosquitto_pub ansible kubectl expect gdb test [ man vi vim nano")

// keywords begin or end a compound command and say nothing of what it does.
var keywords = set("if then elif else fi while until do done ! { } time coproc esac")

// interpreters run code that is no shell script.
var interpreters = []string{"python", "pypy", "perl", "ruby", "php", "node", "lua", "tclsh", "nodejs", "jrunscript", "Rscript"}

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// interpreter reports whether a name is that of an interpreter, with or
// without a version (python3.11).
func interpreter(name string) bool {
	name = strings.TrimRight(name, "0123456789.-")
	return slices.Contains(interpreters, name)
}

// shellName returns the name of a program, without the sign of a login shell.
func shellName(path string) string { return strings.TrimPrefix(base(path), "-") }

// system reports whether a path is that of a script that stands for a program.
func system(path string) bool {
	return short(path) != path || strings.HasPrefix(path, "/etc/init.d/") || strings.HasPrefix(path, "/etc/rc.d/")
}

// wrapper says how a program that runs another names it.
type wrapper struct {
	// valued are its options that take the next word as their value.
	valued map[string]bool
	// skip is how many operands stand before the command.
	skip int
	// env says that NAME=value words may stand before the command.
	env bool
	// needs is an option without which no command is run.
	needs map[string]bool
}

var wrappers = map[string]wrapper{
	"sudo":              {valued: set("-u -g -h -p -C -r -t -T -U -D -R --user --group --host --prompt --chdir --chroot"), env: true},
	"sshpass":           {valued: set("-p -f -d -P")},
	"doas":              {valued: set("-u -C")},
	"env":               {valued: set("-u -C --unset --chdir"), env: true},
	"nohup":             {},
	"setsid":            {},
	"timeout":           {valued: set("-s -k --signal --kill-after"), skip: 1},
	"nice":              {valued: set("-n --adjustment")},
	"ionice":            {valued: set("-c -n --class --classdata")},
	"chrt":              {skip: 1},
	"taskset":           {skip: 1},
	"stdbuf":            {valued: set("-i -o -e")},
	"time":              {valued: set("-f -o")},
	"exec":              {valued: set("-a")},
	"command":           {},
	"builtin":           {},
	"busybox":           {},
	"toybox":            {},
	"chroot":            {skip: 1},
	"xargs":             {valued: set("-I -n -P -L -d -s -a -E --max-args --max-procs --delimiter --arg-file --replace")},
	"watch":             {valued: set("-n --interval")},
	"flock":             {valued: set("-w -E --timeout"), skip: 1},
	"unshare":           {valued: set("-S -G -R -w")},
	"nsenter":           {valued: set("-t -S -G --target")},
	"strace":            {valued: set("-e -o -p -s -u -E")},
	"ltrace":            {valued: set("-e -o -p -s -u")},
	"systemd-run":       {valued: set("-p -u -M -E --unit --property --slice --on-active")},
	"systemd-inhibit":   {},
	"proxychains":       {valued: set("-f")},
	"proxychains4":      {valued: set("-f")},
	"torsocks":          {},
	"fakeroot":          {},
	"linux32":           {},
	"linux64":           {},
	"daemonize":         {valued: set("-p -l -u -c -o -e")},
	"cpulimit":          {valued: set("-l -p -e")},
	"dbus-run-session":  {},
	"start-stop-daemon": {valued: set("-p -u -n -c -g -d -N -R --pidfile --user --chuid --chdir --name --nicelevel --make-pidfile"), needs: set("-S --start")},
}

// containers run a command in a container: docker exec NAME COMMAND.
var containers = set("docker podman nerdctl crictl lxc")

var containerValued = set("-e -u -w --env --user --workdir --env-file")

// special reports whether a program runs what its arguments name.
func special(name string) bool {
	name = strings.TrimPrefix(name, "-")
	_, wraps := wrappers[name]
	return wraps || shells[name] || containers[name] || name == "su" || name == "runuser" || name == "screen" || name == "tmux" || name == "find" ||
		name == "script" || name == "eval" || name == "source" || name == "." || strings.HasPrefix(name, "ld-") || keywords[name]
}

// effective returns the index of the program that words run in the end: behind
// assignments and wrappers. A wrapper that runs nothing is the program itself.
func effective(words []token) int {
	i := 0
	for range maxWrappers {
		for i < len(words) && assignment(words[i].text) && words[i].kind == word {
			i++
		}
		if i >= len(words) {
			return len(words)
		}
		next := unwrap(words, i)
		if next <= i || next >= len(words) || words[next].kind != word {
			return i
		}
		i = next
	}
	return i
}

// maxWrappers bounds wrappers of wrappers.
const maxWrappers = 64

// unwrap returns the index of what the wrapper at i runs; i if it is none.
func unwrap(words []token, i int) int {
	name := base(words[i].text)
	if w, ok := wrappers[name]; ok {
		return w.command(words, i)
	}
	switch {
	case containers[name]:
		return contained(words, i)
	case name == "su" || name == "runuser":
		return switched(words, i)
	case name == "screen" || name == "tmux":
		return terminal(words, i)
	case name == "script":
		for j := i + 1; j < len(words)-1; j++ {
			if s := words[j].text; len(s) > 1 && s[0] == '-' && s[1] != '-' && s[len(s)-1] == 'c' {
				return j + 1
			}
		}
	case strings.HasPrefix(name, "ld-") && strings.Contains(name, ".so"):
		return operand(words, i+1, set("--library-path --preload --argv0"), false)
	}
	return i
}

func (w wrapper) command(words []token, i int) int {
	if w.needs != nil {
		return w.started(words, i)
	}
	if base(words[i].text) == "command" && i+1 < len(words) && (words[i+1].text == "-v" || words[i+1].text == "-V") {
		return i
	}
	j := operand(words, i+1, w.valued, w.env)
	for range w.skip {
		j = operand(words, j+1, nil, false)
	}
	return j
}

// started finds the program of start-stop-daemon: its --exec or --startas, and
// arguments behind "--".
func (w wrapper) started(words []token, i int) int {
	start, program := false, i
	for j := i + 1; j < len(words) && words[j].text != "--"; j++ {
		s := words[j].text
		start = start || w.needs[s] || len(s) > 1 && s[0] == '-' && s[1] != '-' && strings.Contains(s, "S")
		if (s == "-x" || s == "--exec" || s == "-a" || s == "--startas") && j+1 < len(words) {
			program = j + 1
		}
	}
	if start {
		return program
	}
	return i
}

// operand returns the index of the first word from j on that is no option, no
// value of one and, with env, no assignment.
func operand(words []token, j int, valued map[string]bool, env bool) int {
	for j < len(words) {
		s := words[j].text
		switch {
		case s == "--":
			j++
			if !env {
				return j
			}
		case len(s) > 1 && s[0] == '-':
			j++
			if valued[s] {
				j++
			}
		case env && assignment(s):
			j++
		default:
			return j
		}
	}
	return j
}

var terminalValued = set("-S -s -n -c -t -T -x -y -e -h -p -F -L -f")

// terminal finds the command that screen or tmux starts in a new session.
func terminal(words []token, i int) int {
	j := i + 1
	if base(words[i].text) == "tmux" {
		for ; j < len(words) && !sessions[words[j].text]; j++ {
			continue
		}
		j++
	}
	for j < len(words) {
		s := words[j].text
		if len(s) < 2 || s[0] != '-' {
			return j
		}
		j++
		if terminalValued["-"+s[len(s)-1:]] {
			j++
		}
	}
	return i
}

var sessions = set("new new-session neww new-window splitw split-window respawn-pane respawn-window")

// contained finds the command of "docker exec".
func contained(words []token, i int) int {
	if i+1 >= len(words) || words[i+1].text != "exec" {
		return i
	}
	return operand(words, operand(words, i+2, containerValued, false)+1, nil, false)
}

// switched finds the command of "su -c", which is one word or all the rest.
func switched(words []token, i int) int {
	for j := i + 1; j < len(words)-1; j++ {
		if s := words[j].text; s == "-c" || s == "--command" || s == "-lc" {
			return j + 1
		}
		if words[j].text == "--" {
			return j + 1
		}
	}
	return i
}

// assignment reports whether a word is NAME=value.
func assignment(s string) bool {
	n := strings.IndexByte(s, '=')
	if n <= 0 {
		return false
	}
	for i := range n {
		c := s[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return true
}
