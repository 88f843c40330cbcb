package main

import "testing"

func TestEndedByTime(t *testing.T) {
	tests := []struct {
		name, out string
		want      bool
	}{
		{"the deadline of the run", "fuzz: elapsed: 3s, execs: 81211 (27069/sec)\n--- FAIL: FuzzParse (3.02s)\n    context deadline exceeded\nFAIL\n", true},
		{"a finding", "--- FAIL: FuzzParse (0.10s)\n    --- FAIL: FuzzParse (0.00s)\n        parse_test.go:9: wrong\n    Failing input written to testdata/fuzz/FuzzParse/1\nFAIL\n", false},
		{"a finding at the deadline", "    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzParse/1\nFAIL\n", false},
		{"a seed that fails", "failure while testing seed corpus entry: FuzzParse/0\n    context deadline exceeded\n", false},
		{"a package that does not build", "# example.com/p\np.go:3: syntax error\nFAIL\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := endedByTime([]byte(tt.out)); got != tt.want {
				t.Errorf("endedByTime = %v, want %v", got, tt.want)
			}
		})
	}
}
