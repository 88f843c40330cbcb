package detection

import (
	"path"
	"strings"

	"github.com/tvilling/tvilling/internal/security/command"
)

// file is a file that a command names. A path that is not absolute is known by
// its last part alone: where it was named from is not told.
type file struct {
	path     string // "" if relative
	base     string
	relative bool
}

func fileOf(name string) (file, bool) {
	if name == "" || name == "-" || len(name) > 4096 || strings.HasPrefix(name, "/dev/") && !strings.HasPrefix(name, "/dev/shm/") || strings.HasPrefix(name, "/proc/") {
		return file{}, false
	}
	p := path.Clean(name)
	f := file{base: path.Base(p), relative: !path.IsAbs(p)}
	if f.base == "." || f.base == "/" || f.base == ".." {
		return file{}, false
	}
	if !f.relative {
		f.path = p
	}
	return f, true
}

// deeds are what the commands of a process do with files.
type deeds struct {
	saved, run []file
	copied     [][2]file
}

// places are where a program that somebody brought along lies, rather than one
// that was installed; the first few are where it lies first.
var places = []string{
	"/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/var/run/", "/home/", "/root/",
	"/opt/", "/srv/", "/mnt/", "/media/", "/var/lib/", "/var/www/", "/data/",
}

const firstPlaces = 7

func inPlaces(p string) bool { return under(p, places) }

// temporary reports whether a file lies where downloads usually go.
func temporary(p string) bool { return under(p, places[:firstPlaces]) }

func under(p string, dirs []string) bool {
	for _, d := range dirs {
		if strings.HasPrefix(p, d) {
			return true
		}
	}
	return false
}

// telling are the programs whose command lines are worth reading.
var telling = set("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "busybox", "toybox",
	"curl", "wget", "wget2", "aria2c", "axel", "fetch", "ftpget", "tftp", "scp", "lwp-download", "lwp-request", "tee",
	"cp", "mv", "ln", "install", "perl", "ruby", "php", "node", "nodejs", "lua", "tclsh", "java", "source",
	"sudo", "doas", "env", "nohup", "setsid", "timeout", "nice", "ionice", "stdbuf", "time", "exec", "su", "runuser",
	"xargs", "script", "unshare", "strace", "systemd-run", "start-stop-daemon", "chroot", "flock")

// interpreters run the file that they are given.
var interpreters = set("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "perl", "ruby", "php", "node", "nodejs",
	"lua", "tclsh", "python", "pypy", "source", ".")

func baseOf(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// interprets reports whether a program, whose name may end with a version
// (python3.11), runs the file that it is given.
func interprets(name string) bool {
	return interpreters[name] || interpreters[strings.TrimRight(name, "0123456789.-")]
}

// worth reports whether a process may save or run a file that somebody brought.
func worth(executable, line string) bool {
	if executable == "" {
		executable, _, _ = strings.Cut(line, " ")
	}
	name := baseOf(executable)
	return telling[name] || interprets(name) || strings.HasPrefix(name, "ld-") || inPlaces(executable) ||
		strings.Contains(executable, "/") && !path.IsAbs(executable)
}

// deedsOf reads a command line.
func deedsOf(l *command.Line, executable, line string) deeds {
	var d deeds
	l.Parse(executable, line)
	if name := baseOf(executable); name != executable && !telling[name] && !interprets(name) {
		d.runs(executable)
	}
	fetching := false
	for _, c := range l.Commands {
		words := strings.Fields(c)
		if len(words) == 0 {
			continue
		}
		words, targets := redirected(words)
		if len(words) == 0 {
			continue
		}
		name := baseOf(words[0])
		stdout := d.fetch(name, words[1:])
		fetching = fetching || stdout
		if fetching {
			if name == "tee" {
				targets = append(targets, operands(words[1:], "")...)
			}
			for _, t := range targets {
				d.saves(t)
			}
		}
		d.use(name, words)
	}
	return d
}

// redirected takes redirections out of the words of a command.
func redirected(words []string) (rest, targets []string) {
	rest = words[:0:0]
	for i := 0; i < len(words); i++ {
		op := strings.TrimLeft(words[i], "012&")
		if op != ">" && op != ">>" && op != ">|" && op != "<" && op != "<<<" && op != ">&" {
			rest = append(rest, words[i])
			continue
		}
		if i+1 < len(words) {
			i++
			if op[0] == '>' {
				targets = append(targets, words[i])
			}
		}
	}
	return rest, targets
}

func (d *deeds) saves(name string) {
	if f, ok := fileOf(name); ok {
		d.saved = append(d.saved, f)
	}
}

func (d *deeds) runs(name string) {
	if f, ok := fileOf(name); ok {
		d.run = append(d.run, f)
	}
}

// use notes what a command runs, copies and renames.
func (d *deeds) use(name string, words []string) {
	args := words[1:]
	switch name {
	case "cp", "mv", "install", "ln":
		d.copies(operands(args, "mogtS"))
		return
	case "java":
		for i, a := range args[:max(0, len(args)-1)] {
			if a == "-jar" {
				d.runs(args[i+1])
			}
		}
		return
	}
	if interprets(name) {
		d.runs(script(name, args))
		return
	}
	if strings.Contains(words[0], "/") {
		d.runs(words[0])
	}
}

// script returns the file that an interpreter is given, "" if it is given code
// or nothing.
func script(name string, args []string) string {
	shell := strings.HasSuffix(name, "sh")
	for _, a := range args {
		switch {
		case a == "-c", a == "-s", !shell && (a == "-e" || a == "-m" || a == "-r"):
			return ""
		case !strings.HasPrefix(a, "-"):
			return a
		}
	}
	return ""
}

// copies notes that the last operand is made of the others.
func (d *deeds) copies(names []string) {
	if len(names) < 2 {
		return
	}
	last := names[len(names)-1]
	to, ok := fileOf(last)
	for _, n := range names[:len(names)-1] {
		from, fine := fileOf(n)
		if !fine {
			continue
		}
		if ok {
			d.copied = append(d.copied, [2]file{from, to})
		}
		if into, fine := fileOf(last + "/" + from.base); fine { // it may be a folder
			d.copied = append(d.copied, [2]file{from, into})
		}
	}
}

// operands returns the words that are no options and no values of the single
// letters given.
func operands(args []string, valued string) []string {
	var list []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return append(list, args[i+1:]...)
		case len(a) == 2 && a[0] == '-' && strings.IndexByte(valued, a[1]) >= 0:
			i++
		case strings.HasPrefix(a, "-") && a != "-":
		default:
			list = append(list, a)
		}
	}
	return list
}
