package command

import (
	"regexp"
	"strings"
)

// fetch is a download: what from, and the base names of the files it makes.
type fetch struct {
	url   string
	files []string
	// prints says that what was fetched goes to standard output.
	prints bool
}

// run appends the downloads among cmds that are run later in the same line.
func run(dst []string, cmds []simple) []string {
	made := map[string]string{} // base name of a file → where it came from
	unpacked := ""
	for i := range cmds {
		c := &cmds[i]
		if len(c.words) == 0 {
			continue
		}
		if url, ok := ran(c, made, unpacked); ok {
			dst = append(dst, url)
			continue
		}
		f, ok := fetched(c)
		if ok && f.prints {
			if reader := reader(cmds, i); reader >= 0 {
				dst = append(dst, orElse(f.url, c.text))
				continue
			}
		}
		if ok {
			for _, file := range f.files {
				made[file] = orElse(f.url, c.text)
			}
			for j := i; j < len(cmds) && strings.HasPrefix(cmds[j].after, "|"); j++ {
				for _, file := range cmds[j+min(1, len(cmds)-1-j)].written() {
					made[file] = orElse(f.url, c.text)
				}
				if j+1 < len(cmds) && archivers[cmds[j+1].name()] {
					unpacked = orElse(f.url, c.text)
				}
			}
			continue
		}
		if from := moved(c, made); from != "" && archivers[c.name()] {
			unpacked = from
		} else if from != "" && c.name() == "cat" && reader(cmds, i) >= 0 {
			dst = append(dst, from)
		}
	}
	return dst
}

var archivers = set("tar unzip bsdtar 7z 7za unrar")

// reader returns the index of the command that runs what command i prints, -1
// if there is none.
func reader(cmds []simple, i int) int {
	for ; i+1 < len(cmds) && strings.HasPrefix(cmds[i].after, "|"); i++ {
		if readsCode(&cmds[i+1]) {
			return i + 1
		}
	}
	return -1
}

// written are the base names of the files a command writes what it reads to.
func (s *simple) written() []string {
	var files []string
	for _, t := range s.targets {
		files = append(files, base(t))
	}
	if s.name() == "tee" || s.name() == "dd" {
		for _, w := range s.words[1:] {
			if w != "" && w[0] != '-' {
				files = append(files, base(strings.TrimPrefix(w, "of=")))
			}
		}
	}
	return files
}

// moved follows a fetched file through copies; it returns where the file came
// from if the command is about one.
func moved(s *simple, made map[string]string) string {
	from := ""
	last := ""
	for _, w := range s.words[1:] {
		if url, ok := made[base(w)]; ok && w != "" {
			from = url
			for _, ext := range []string{".gz", ".xz", ".bz2", ".zst", ".b64"} {
				if name, ok := strings.CutSuffix(base(w), ext); ok {
					made[name] = url
				}
			}
		}
		last = w
	}
	if from == "" {
		return ""
	}
	switch s.name() {
	case "mv", "cp", "install", "ln":
		made[base(last)] = from
	}
	for _, file := range s.written() {
		made[file] = from
	}
	return from
}

// ran reports whether a command runs a file that was fetched.
func ran(s *simple, made map[string]string, unpacked string) (string, bool) {
	if len(made) == 0 && unpacked == "" {
		return "", false
	}
	program, name := s.words[0], s.name()
	if url, ok := made[base(program)]; ok && base(program) != "" {
		return url, true
	}
	if unpacked != "" && (strings.HasPrefix(program, "./") && !builds[name] || temporary(program)) {
		return unpacked, true
	}
	for _, in := range s.inputs {
		if url, ok := made[base(in)]; ok && shells[name] {
			return url, true
		}
	}
	if !shells[name] && !interpreter(name) && name != "source" && name != "." && name != "java" && name != "insmod" && name != "at" {
		return "", false
	}
	for _, w := range s.words[1:] {
		if w == "" || w[0] == '-' {
			continue
		}
		if url, ok := made[base(w)]; ok {
			return url, true
		}
		return "", false
	}
	return "", false
}

// builds are what a source archive is unpacked for.
var builds = set("configure autogen.sh bootstrap config Configure gradlew mvnw")

// temporary reports whether a path lies where everybody may write.
func temporary(path string) bool {
	return strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/var/tmp/") || strings.HasPrefix(path, "/dev/shm/")
}

var (
	codeFetch = regexp.MustCompile(`urlretrieve|urlopen|URLopener|requests\.get|LWP|HTTP::Tiny|file_get_contents|open-uri|Net::HTTP|http\.get|copy\(|wget\.download`)
	codeURL   = regexp.MustCompile(`(?:https?|ftp)://[^\s"'()<>\\]+`)
	codeText  = regexp.MustCompile(`["']([^"'\s]{1,256})["']`)
)

// fetched reports whether a command downloads, and what.
func fetched(s *simple) (fetch, bool) {
	name := s.name()
	switch name {
	case "curl":
		return download(s, curlValued, "o", "O"), true
	case "wget", "uclient-fetch", "wget2":
		return download(s, wgetValued, "O", ""), true
	case "fetch", "aria2c", "axel", "lwp-download", "lwp-request", "GET", "http", "https", "xh", "ftp", "snarf", "puf", "lynx", "w3m", "links":
		return download(s, nil, "o", ""), true
	case "tftp", "ftpget":
		return trivial(s), true
	case "scp", "sftp", "rsync":
		return copied(s)
	case "nc", "ncat", "netcat", "telnet", "cat", "socat", "openssl":
		network := name != "cat" || len(s.inputs) > 0 && strings.HasPrefix(s.inputs[0], "/dev/tcp/")
		return fetch{url: s.text, files: s.written()}, network && len(s.targets) > 0
	}
	if interpreter(name) && codeFetch.MatchString(s.text) {
		f := fetch{url: codeURL.FindString(s.text), prints: true}
		f.files = append(f.files, named(f.url)...)
		for _, m := range codeText.FindAllStringSubmatch(s.text, maxCalls) {
			f.files = append(f.files, base(m[1]))
		}
		return f, f.url != ""
	}
	return fetch{}, false
}

var (
	curlValued = set("-H -d -X -A -e -u -b -c -x -m -T -F -w -K -E -r -z -y -Y -C -D -U --header --data --data-raw --data-binary --request --user-agent --user " +
		"--cookie --cookie-jar --proxy --max-time --connect-timeout --retry --retry-delay --form --write-out --cacert --cert --key --resolve --interface --dump-header --upload-file --url-query --limit-rate --output-dir")
	wgetValued = set("-T -t -U -o -a -i -e -P -w -Q -A -R -l --header --user-agent --timeout --tries --post-data --user --password --directory-prefix --ca-certificate --output-file")
)

// download reads the options of curl, wget and their kin: out names the option
// whose value is the file, remote the one that takes the name from the URL.
func download(s *simple, valued map[string]bool, out, remote string) fetch {
	var f fetch
	chosen := false
	words := s.words[1:]
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "" || w == "-":
		case strings.HasPrefix(w, "--"):
			option, value, has := strings.Cut(w, "=")
			switch {
			case option == "--output" || option == "--output-document" || option == "--out":
				if !has && i+1 < len(words) {
					i++
					value = words[i]
				}
				f.files, chosen = append(f.files, base(value)), true
			case option == "--remote-name" || option == "--remote-name-all":
				f.files, chosen = append(f.files, ""), true
			case !has && valued[option]:
				i++
			}
		case w[0] == '-':
			k := strings.IndexAny(w[1:], out+remote) + 1
			switch {
			case valued[w]:
				i++
			case k == 0 || valued[w[:2]]:
				if valued["-"+w[len(w)-1:]] && len(w) > 2 && !valued[w[:2]] {
					i++
				}
			case remote != "" && strings.ContainsAny(w[k:k+1], remote):
				f.files, chosen = append(f.files, ""), true
			case k == len(w)-1:
				if i+1 < len(words) {
					i++
					f.files, chosen = append(f.files, base(words[i])), true
				}
			default:
				f.files, chosen = append(f.files, base(strings.TrimPrefix(w[k+1:], "="))), true
			}
		case f.url == "":
			f.url = w
		}
	}
	return f.resolved(s, chosen, remote == "")
}

// resolved gives the files their names. saves says that the program writes a
// file when no option names one.
func (f fetch) resolved(s *simple, chosen, saves bool) fetch {
	files := s.written()
	f.prints = len(files) == 0 && !chosen
	for _, file := range f.files {
		switch file {
		case "":
			files = append(files, named(f.url)...)
		case "-", "stdout":
			f.prints = len(s.targets) == 0
		case "null":
		default:
			files = append(files, file)
		}
	}
	if !chosen && saves {
		files = append(files, named(f.url)...)
	}
	f.files = files
	return f
}

// named are the names a downloader gives to what an URL holds.
func named(url string) []string {
	rest := url
	if _, r, ok := strings.Cut(url, "://"); ok {
		rest = r
	}
	name := base(rest)
	if name == "" || !strings.Contains(rest, "/") {
		return nil
	}
	if short, _, ok := strings.Cut(name, "?"); ok && short != "" {
		return []string{name, short}
	}
	return []string{name}
}

// trivial reads the arguments of tftp and ftpget: every operand but the host
// names a file.
func trivial(s *simple) fetch {
	var f fetch
	for _, w := range s.words[1:] {
		if w == "" || w[0] == '-' || w == "get" || w == "-c" {
			continue
		}
		f.files = append(f.files, base(w))
	}
	f.url = s.text
	return f
}

// copied reads the arguments of scp: a download if its source is elsewhere.
func copied(s *simple) (fetch, bool) {
	var f fetch
	last := ""
	for _, w := range s.words[1:] {
		if w == "" || w[0] == '-' {
			continue
		}
		if host, path, ok := strings.Cut(w, ":"); ok && !strings.Contains(host, "/") && path != "" {
			f.url, f.files = w, append(f.files, base(path))
		}
		last = w
	}
	if f.url == "" || last == f.url {
		return fetch{}, false
	}
	f.files = append(f.files, base(last))
	return f, true
}
