package main

import (
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	limit := flag.Int64("max", 12_000_000, "the most `bytes` that a program may have")
	flag.Parse()
	if err := run(os.Stdout, *limit, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "static:", err)
		os.Exit(1)
	}
}

// machines are what the last part of a program's name stands for.
var machines = map[string]struct {
	machine elf.Machine
	class   elf.Class
}{
	"amd64": {elf.EM_X86_64, elf.ELFCLASS64},
	"arm64": {elf.EM_AARCH64, elf.ELFCLASS64},
	"armv7": {elf.EM_ARM, elf.ELFCLASS32},
}

// run looks at all programs, and writes a line about each that is as it should be.
func run(w io.Writer, limit int64, paths []string) error {
	if len(paths) == 0 {
		return errors.New("name the programs")
	}
	var failed error
	for _, path := range paths {
		size, err := check(path, limit)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s %w", path, err))
			continue
		}
		if _, err := fmt.Fprintf(w, "%s: static, stripped, %.1f MB\n", path, float64(size)/1e6); err != nil {
			return err
		}
	}
	return failed
}

func check(path string, limit int64) (size int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("is not there: %w", err)
	}
	f, err := elf.Open(path)
	if err != nil {
		return 0, fmt.Errorf("is not an executable of Linux: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, p := range f.Progs {
		// A program without the first of them may still be loaded by ld.so.
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return 0, fmt.Errorf("is not static: it has %v", p.Type)
		}
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_SYMTAB || strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			return 0, fmt.Errorf("is not stripped: it has the section %s", s.Name)
		}
	}
	kind := path[strings.LastIndexByte(path, '-')+1:]
	if m, ok := machines[kind]; ok && (f.Machine != m.machine || f.Class != m.class) {
		return 0, fmt.Errorf("is for %v (%v)", f.Machine, f.Class)
	}
	if info.Size() > limit {
		return 0, fmt.Errorf("has %d bytes, more than %d", info.Size(), limit)
	}
	return info.Size(), nil
}
