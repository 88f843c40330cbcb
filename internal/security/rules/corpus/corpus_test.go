package corpus_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/rules/corpus"
)

func TestParse(t *testing.T) {
	cases, err := corpus.Parse("x/crypto-miner.txt", `# a remark

+ a miner
CommandLine: xmrig -o pool.example:3333
ExtraDetails.Hash: sha1:00

- a login
Event: Login
Result: Fail
# another remark
RemoteAddress: 203.0.113.7

+ two lines
Executable: /bin/sh
CommandLine: sh -c a\nb\\c
UserId: 33
`)
	if err != nil || len(cases) != 3 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	miner, ok := cases[0].Item.(*event.ProcessCreate)
	if !ok || !cases[0].Positive || cases[0].Detection != "crypto-miner" || cases[0].Title != "a miner" || cases[0].Place != "x/crypto-miner.txt:3" ||
		miner.Executable != "/usr/bin/xmrig" || miner.UserID != "0" || len(miner.Extra) != 1 {
		t.Errorf("%+v, %+v", cases[0], miner)
	}
	if login, ok := cases[1].Item.(*event.Login); !ok || cases[1].Positive || login.Result != "Fail" || login.UserName == "" {
		t.Errorf("%+v", cases[1])
	}
	if p, ok := cases[2].Item.(*event.ProcessCreate); !ok || p.CommandLine != "sh -c a\nb\\c" || p.UserID != "33" {
		t.Errorf("%+v", cases[2].Item)
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"* x\n": "begins with", "+\nCommandLine: a\n": "begins with", "+ x\nCommandLine\n": "a colon", "+ x\nCommandLine: a\nCommandLine: b\n": "twice",
		"+ x\nEvent: Nothing\n": "no event", "+ x\nCommandLine: a\nColour: red\n": "no field", "+ x\nCommandLine: a\nProcessId: many\n": "is a number",
		"+ x\nEvent: ConnectionCreate\nUserName: pi\n": "no field",
	} {
		if _, err := corpus.Parse("f.txt", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error about %q", text, err, want)
		}
	}
}

func TestRead(t *testing.T) {
	dir := fstest.MapFS{"a.txt": {Data: []byte("+ x\nCommandLine: a\n")}, "README.md": {Data: []byte("no corpus")}, "heldout/a.txt": {Data: []byte("- y\nCommandLine: b\n")}}
	if cases, err := corpus.Read(dir, "."); err != nil || len(cases) != 1 {
		t.Errorf("%d cases, %v", len(cases), err)
	}
	if cases, err := corpus.Read(dir, "nowhere"); err != nil || cases != nil {
		t.Errorf("%v, %v", cases, err)
	}
	dir["b.txt"] = &fstest.MapFile{Data: []byte("what\n")}
	if _, err := corpus.Read(dir, "."); err == nil {
		t.Error("a file that is no corpus was read")
	}
}
