package command

import "strings"

// isWindows reports whether a program is named as on Windows.
func isWindows(program string) bool {
	program = strings.Trim(program, `"`)
	return len(program) > 2 && program[1] == ':' && program[2] == '\\' || strings.HasSuffix(strings.ToLower(program), ".exe")
}

// windows reads a command line of Windows, where a backslash parts a path and
// escapes nothing: the program's name without path and extension, in lower
// case, and what follows; behind "cmd /c" that is a command of its own.
func (p *parser) windows(line string) {
	for range maxDepth {
		first, rest := line, ""
		if strings.HasPrefix(line, `"`) {
			if n := strings.IndexByte(line[1:], '"'); n >= 0 {
				first, rest = line[1:1+n], line[n+2:]
			}
		} else {
			first, rest, _ = strings.Cut(line, " ")
		}
		rest = strings.TrimSpace(rest)
		name := strings.TrimSuffix(strings.ToLower(first[strings.LastIndexByte(first, '\\')+1:]), ".exe")
		if name == "cmd" && len(rest) > 3 && strings.EqualFold(rest[:3], "/c ") {
			line = strings.Trim(rest[3:], ` "`)
			continue
		}
		words := append([]string{name}, strings.Fields(rest)...)
		p.cmds = append(p.cmds, simple{words: words, text: strings.Join(words, " ")})
		return
	}
}
