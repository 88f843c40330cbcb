package collect_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/agent/collect"
)

func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := fstest.MapFS{}
		n := collect.NewNames(fsys)
		is := func(uid uint32, want string) {
			t.Helper()
			if got := n.Name(uid); got != want {
				t.Errorf("%d is %q, want %q", uid, got, want)
			}
		}
		is(0, "") // there is no file
		fsys["etc/passwd"] = &fstest.MapFile{Data: []byte("root:x:0:0::/:\ntoor:x:0:0::/:\n+nis::7:7:::\nbroken:x:y:0::/:\n"), ModTime: time.Unix(1, 0)}
		is(0, "") // it was looked at a moment ago
		<-time.After(5 * time.Second)
		is(0, "root")
		is(7, "")
		fsys["etc/passwd"] = &fstest.MapFile{Data: []byte("boss:x:0:0::/:\n"), ModTime: time.Unix(2, 0)}
		<-time.After(4 * time.Second)
		is(0, "root")
		<-time.After(time.Second)
		is(0, "boss")
		delete(fsys, "etc/passwd")
		<-time.After(5 * time.Second)
		is(0, "")
		var many strings.Builder
		for i := range 5000 {
			many.WriteString("u" + strconv.Itoa(i) + ":x:" + strconv.Itoa(i) + ":0::/:\n")
		}
		fsys["etc/passwd"] = &fstest.MapFile{Data: []byte(many.String()), ModTime: time.Unix(3, 0)}
		<-time.After(5 * time.Second)
		is(4095, "u4095")
		is(4096, "")
	})
}
