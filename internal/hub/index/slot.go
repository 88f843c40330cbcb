package index

import (
	"strings"

	"github.com/tvilling/tvilling"
)

// noName is that of a slot which nobody has.
const noName = ^name(0)

// deviceName returns the id of the device in a slot.
func (x *Index) deviceName(slot uint32) []byte { return x.names.get(x.devices.who(slot)) }

// find returns the slot of an identity, which need not be a row now. The
// writer alone calls it.
func (x *Index) find(id tvilling.Identity) (uint32, bool) {
	device, ok := x.slots.find([]byte(id.Device), x.deviceName)
	if !ok || !id.IsModule() {
		return device, ok
	}
	for e := x.devices.block(device).first[device%blockRows]; e != 0; {
		slot := e - 1
		if string(x.names.get(x.modules.who(slot))) == string(id.Module) {
			return slot, true
		}
		e = x.modules.block(slot).next[slot%blockRows]
	}
	return 0, false
}

// addSlot gives an identity that has none a slot, and a device's slot to the
// device of a module; false if there is no room for its name.
func (x *Index) addSlot(id tvilling.Identity) (uint32, bool) {
	x.reclaim()
	x.mu.Lock()
	defer x.mu.Unlock()
	device, ok := x.slots.find([]byte(id.Device), x.deviceName)
	if !ok {
		if device, ok = x.addDevice(string(id.Device)); !ok {
			return 0, false
		}
	}
	if !id.IsModule() {
		return device, true
	}
	m, ok := x.moduleNames[string(id.Module)]
	if !ok {
		at, grown, ok := x.names.add(string(id.Module))
		if !ok {
			return 0, false
		}
		m.at = at
		x.bytes.Add(int64(grown + entryBytes))
	}
	m.rows++
	x.moduleNames[strings.Clone(string(id.Module))] = m
	slot := x.newSlot(&x.modules)
	b := x.modules.block(slot)
	b.who[slot%blockRows], b.device[slot%blockRows] = m.at, device
	link := x.link(device, id.Module)
	b.next[slot%blockRows] = *link
	*link = slot + 1
	return slot, true
}

// link returns what points to the first module of a device whose name is not
// below the given one.
func (x *Index) link(device uint32, module tvilling.ModuleID) *uint32 {
	link := &x.devices.block(device).first[device%blockRows]
	for *link != 0 && string(x.names.get(x.modules.who(*link-1))) < string(module) {
		link = &x.modules.block(*link - 1).next[(*link-1)%blockRows]
	}
	return link
}

func (x *Index) addDevice(id string) (uint32, bool) {
	at, grown, ok := x.names.add(id)
	if !ok {
		return 0, false
	}
	slot := x.newSlot(&x.devices)
	b := x.devices.block(slot)
	b.who[slot%blockRows] = at
	b.first[slot%blockRows] = 0
	grown += x.slots.add(slot, x.deviceName)
	grown += x.order.add(slot, x.deviceName)
	x.bytes.Add(int64(grown))
	return slot, true
}

// reclaim frees the slots of rows that are gone, once every query is over that
// could know them.
func (x *Index) reclaim() {
	for len(x.retired) > 0 && x.queries.over(x.retired[0].when) {
		r := x.retired[0]
		x.retired = x.retired[1:]
		if x.retiring[r.place] != r.when {
			continue // it was a row again, and went again
		}
		delete(x.retiring, r.place)
		func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			if r.modules {
				x.freeModule(r.slot)
			} else {
				x.freeDevice(r.slot)
			}
		}()
	}
}

// freeDevice frees the slot of a device that is no row and has no modules.
func (x *Index) freeDevice(slot uint32) {
	b, i := x.devices.block(slot), slot%blockRows
	if b.parts[i] != 0 || b.first[i] != 0 || b.who[i] == noName {
		return
	}
	x.bytes.Add(int64(x.order.remove(slot, x.deviceName)))
	x.slots.remove(slot, x.deviceName)
	x.names.drop(b.who[i])
	b.who[i] = noName
	x.devices.free = append(x.devices.free, slot)
}

// freeModule frees the slot of a module that is no row, and that of its device
// if it was the last thing there.
func (x *Index) freeModule(slot uint32) {
	b, i := x.modules.block(slot), slot%blockRows
	if b.parts[i] != 0 || b.who[i] == noName {
		return
	}
	id := string(x.names.get(b.who[i]))
	device := b.device[i]
	*x.link(device, tvilling.ModuleID(id)) = b.next[i]
	if m := x.moduleNames[id]; m.rows > 1 {
		m.rows--
		x.moduleNames[id] = m
	} else {
		delete(x.moduleNames, id)
		x.names.drop(m.at)
		x.bytes.Add(-entryBytes)
	}
	b.who[i] = noName
	x.modules.free = append(x.modules.free, slot)
	if _, waits := x.retiring[place{slot: device}]; !waits {
		x.freeDevice(device)
	}
}
