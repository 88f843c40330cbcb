package detection

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// fetch notes what a program that fetches saves. It reports whether it writes
// what it fetches to its standard output.
func (d *deeds) fetch(name string, args []string) (stdout bool) {
	switch name {
	case "curl":
		return d.curl(args)
	case "wget", "wget2":
		return d.wget(args)
	case "aria2c":
		d.named(args, "-o", "--out", "-d", "--dir")
	case "axel", "fetch":
		return d.named(args, "-o", "--output", "", "")
	case "lwp-download":
		if o := operands(args, ""); len(o) > 1 {
			d.saves(o[1])
		} else {
			d.remote("", o)
		}
	case "ftpget":
		if o := operands(args, "upP"); len(o) > 1 { // host, local, remote
			d.saves(o[1])
		}
	case "tftp":
		d.tftp(args)
	case "scp":
		if o := operands(args, "PiFlocJS"); len(o) > 1 && strings.Contains(o[0], ":") && !strings.Contains(o[len(o)-1], ":") {
			d.into(o[len(o)-1], path.Base(o[0]))
		}
	}
	return false
}

// into notes a target that may be a file or a folder to hold name.
func (d *deeds) into(target, name string) {
	d.saves(target)
	d.saves(target + "/" + name)
}

// remote notes files that are named as the URLs end.
func (d *deeds) remote(dir string, urls []string) {
	for _, s := range urls {
		if name := lastPart(s); name != "" {
			d.saves(path.Join(dir, name))
		}
	}
}

// lastPart returns the file name of a URL, "" if it has none.
func lastPart(s string) string {
	s, _, _ = strings.Cut(strings.Trim(s, `'"`), "#")
	s, _, _ = strings.Cut(s, "?")
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	_, p, ok := strings.Cut(s, "/")
	if !ok || strings.HasSuffix(p, "/") {
		return ""
	}
	name := path.Base(p)
	if plain, err := url.PathUnescape(name); err == nil && !strings.Contains(plain, "/") {
		name = plain
	}
	if name == "." || name == ".." {
		return ""
	}
	return name
}

// curlValued are the single letters of curl that take a value; an output file
// and folder are handled apart.
const curlValued = "AbcCdDeEFhHKmPQrtTuUwxXyYz"

func (d *deeds) curl(args []string) (stdout bool) {
	var urls, outputs []string
	var dir string
	remote := false
	for i := 0; i < len(args); i++ {
		a := args[i]
		next := func() string {
			if i+1 < len(args) {
				i++
				return args[i]
			}
			return ""
		}
		if name, value, ok := strings.Cut(a, "="); ok && strings.HasPrefix(a, "--") {
			switch name {
			case "--output":
				outputs = append(outputs, value)
			case "--output-dir":
				dir = value
			}
			continue
		}
		switch {
		case a == "--output":
			outputs = append(outputs, next())
		case a == "--output-dir":
			dir = next()
		case a == "--remote-name", a == "--remote-name-all":
			remote = true
		case a == "--url":
			urls = append(urls, next())
		case strings.HasPrefix(a, "--"):
		case len(a) > 1 && a[0] == '-':
			for j := 1; j < len(a); j++ {
				if a[j] == 'O' {
					remote = true
					continue
				}
				if a[j] != 'o' && !strings.ContainsRune(curlValued, rune(a[j])) {
					continue
				}
				value := a[j+1:]
				if value == "" {
					value = next()
				}
				if a[j] == 'o' {
					outputs = append(outputs, value)
				}
				break
			}
		default:
			urls = append(urls, a)
		}
	}
	for _, o := range outputs {
		d.saves(path.Join(dir, o))
	}
	if remote {
		d.remote(dir, urls)
	}
	return !remote && len(outputs) == 0 || slices.Contains(outputs, "-")
}

// wgetValued are the single letters of wget that take a value.
const wgetValued = "aeiBtTwQUAlRDIX"

func (d *deeds) wget(args []string) (stdout bool) {
	var urls []string
	var output, dir string
	for i := 0; i < len(args); i++ {
		a := args[i]
		next := func(value string) string {
			if value == "" && i+1 < len(args) {
				i++
				return args[i]
			}
			return value
		}
		switch {
		case a == "--output-document":
			output = next("")
		case a == "--directory-prefix":
			dir = next("")
		case strings.HasPrefix(a, "--output-document="):
			output = strings.TrimPrefix(a, "--output-document=")
		case strings.HasPrefix(a, "--directory-prefix="):
			dir = strings.TrimPrefix(a, "--directory-prefix=")
		case strings.HasPrefix(a, "--"):
		case len(a) > 1 && a[0] == '-':
			for j := 1; j < len(a); j++ {
				if a[j] == 'n' && j+1 < len(a) { // -nc, -nv: two letters
					j++
					continue
				}
				if a[j] == 'O' {
					output = next(a[j+1:])
				} else if a[j] == 'P' {
					dir = next(a[j+1:])
				} else if a[j] == 'o' || strings.ContainsRune(wgetValued, rune(a[j])) {
					next(a[j+1:])
				} else {
					continue
				}
				break
			}
		default:
			urls = append(urls, a)
		}
	}
	if output != "" {
		d.saves(output)
		return output == "-"
	}
	d.remote(dir, urls)
	return false
}

// named notes the file that an option names, in the folder that another names.
func (d *deeds) named(args []string, short, long, dirShort, dirLong string) (stdout bool) {
	var output, dir string
	for i, a := range args {
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		name, v, ok := strings.Cut(a, "=")
		switch {
		case a == short || a == long:
			output = value
		case ok && name == long:
			output = v
		case dirLong != "" && (a == dirShort || a == dirLong):
			dir = value
		case ok && dirLong != "" && name == dirLong:
			dir = v
		}
	}
	if output != "" {
		d.saves(path.Join(dir, output))
		return output == "-"
	}
	for _, a := range args {
		if strings.Contains(a, "://") {
			d.remote(dir, []string{a})
		}
	}
	return false
}

// tftp reads both common forms: tftp -g -r FILE -l FILE host, and tftp host
// -c get FILE [FILE].
func (d *deeds) tftp(args []string) {
	var get bool
	var local, remote string
	for i, a := range args {
		value := func(n int) string {
			if i+n < len(args) {
				return args[i+n]
			}
			return ""
		}
		switch a {
		case "-g":
			get = true
		case "-r":
			remote = value(1)
		case "-l":
			local = value(1)
		case "get":
			get, remote, local = true, value(1), value(2)
		}
	}
	if !get {
		return
	}
	if local == "" && remote != "" {
		local = path.Base(remote)
	}
	d.saves(local)
}
