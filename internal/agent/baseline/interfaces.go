package baseline

import (
	"path"
	"strconv"
	"strings"
)

// promiscuous is IFF_PROMISC of netdevice(7).
const promiscuous = 0x100

func (t *InterfacesTest) eval(r *run) outcome {
	const dir = "/sys/class/net"
	names, err := r.tree.list(dir)
	if err != nil {
		return unreadable(err)
	}
	var found []string
	for _, n := range names {
		p := path.Join(dir, n)
		if t.None == "wireless" {
			if r.tree.has(p+"/wireless") || r.tree.has(p+"/phy80211") {
				found = append(found, n)
			}
			continue
		}
		if r.tree.has(p + "/brport") {
			continue // a bridge takes all that arrives at its ports
		}
		data, _, err := r.tree.read(p + "/flags")
		if gone(err) {
			continue // bonding_masters is a file, and interfaces come and go
		}
		if err != nil {
			return unreadable(err)
		}
		flags, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(data)), "0x"), 16, 32)
		if err != nil {
			return unreadable(named(p+"/flags", err))
		}
		if flags&promiscuous != 0 {
			found = append(found, n)
		}
	}
	if len(found) > 0 {
		return fail("interface %s is %s", some(found), t.None)
	}
	return pass("no interface is %s", t.None)
}
