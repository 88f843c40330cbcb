//go:build linux

package collect

// usbClass returns the name of a class of USB: two hexadecimal digits (USB-IF,
// "Defined Class Codes").
func usbClass(code string) string {
	switch code {
	case "01":
		return "Audio"
	case "02", "0a":
		return "Communications"
	case "03":
		return "Human interface"
	case "05":
		return "Physical"
	case "06":
		return "Imaging"
	case "07":
		return "Printer"
	case "08":
		return "Mass storage"
	case "09":
		return "Hub"
	case "0b":
		return "Smart card"
	case "0d":
		return "Content security"
	case "0e":
		return "Video"
	case "0f":
		return "Personal healthcare"
	case "10":
		return "Audio and video"
	case "11":
		return "Billboard"
	case "dc":
		return "Diagnostic"
	case "e0":
		return "Wireless controller"
	case "ef":
		return "Miscellaneous"
	case "fe":
		return "Application specific"
	case "ff":
		return "Vendor specific"
	default:
		return "Other"
	}
}

// pciClass returns the name of a class of PCI: six hexadecimal digits, of
// which the first two are the base class (PCI Code and ID Assignment
// Specification). Controllers of networks and storage are told by their
// subclass, too.
func pciClass(code string) string {
	if len(code) < 4 {
		return "Other"
	}
	switch code[:4] {
	case "0106":
		return "SATA controller"
	case "0108":
		return "NVMe controller"
	case "0200":
		return "Ethernet controller"
	case "0280":
		return "Network controller"
	case "0c03":
		return "USB controller"
	}
	switch code[:2] {
	case "01":
		return "Storage controller"
	case "02":
		return "Network controller"
	case "03":
		return "Display controller"
	case "04":
		return "Multimedia controller"
	case "05":
		return "Memory controller"
	case "06":
		return "Bridge"
	case "07":
		return "Communication controller"
	case "08":
		return "System peripheral"
	case "09":
		return "Input device"
	case "0a":
		return "Docking station"
	case "0b":
		return "Processor"
	case "0c":
		return "Serial bus controller"
	case "0d":
		return "Wireless controller"
	case "0e":
		return "Intelligent controller"
	case "0f":
		return "Satellite controller"
	case "10":
		return "Encryption controller"
	case "11":
		return "Signal processing controller"
	case "12":
		return "Processing accelerator"
	default:
		return "Other"
	}
}
