package agentapi

import (
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/packaging"
)

// Path begins the paths of the package.
const Path = "/tvilling/agent/"

// downloadTime is how long a device may take to fetch a program.
const downloadTime = 15 * time.Minute

// Options are what a [Handler] works with.
type Options struct {
	Auth rest.Authenticator
	// Folder has the programs.
	Folder string
	// CA returns the certificate (PEM) that devices have to trust, nothing if
	// the hub's certificate is signed by one that they know.
	CA func() []byte
	// MQTTPort is the port that agents connect to.
	MQTTPort func() int
	// Observe, if set, is told of every request when it has been answered.
	Observe func(route string, status int, took time.Duration)
	Logger  *slog.Logger
}

// Handler serves the routes of the package. It is safe for concurrent use.
type Handler struct {
	*rest.Handler
	opt      Options
	programs programs
}

// New returns a handler.
func New(o Options) *Handler {
	h := &Handler{opt: o, programs: programs{folder: o.Folder, sums: make(map[string]sum)}}
	h.Handler = rest.New(rest.Options{
		Auth: o.Auth, Observe: o.Observe, Logger: o.Logger.With("component", "agentapi"), Timeout: downloadTime,
		Routes: h.routes(),
		Header: map[string]string{"X-Content-Type-Options": "nosniff"},
	})
	return h
}

func (h *Handler) routes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Pattern: Path + "install", Own: true, Open: true, Handle: h.install},
		{Method: http.MethodHead, Pattern: Path + "install", Own: true, Open: true, Handle: h.install},
		{Method: http.MethodGet, Pattern: Path + "{platform}", Own: true, Open: true, Handle: h.download},
		{Method: http.MethodHead, Pattern: Path + "{platform}", Own: true, Open: true, Handle: h.download},
	}
}

// Offered returns the names of the routes, such as "GET /tvilling/agent/install".
func Offered() []string {
	var names []string
	for _, r := range (&Handler{}).routes() {
		names = append(names, r.Name())
	}
	return names
}

// download gives out a program.
func (h *Handler) download(c *rest.Call) (err error) {
	platform := c.Params["platform"]
	if !slices.Contains(Platforms, platform) {
		return tvilling.Errorf(tvilling.NotFound, "There is no agent for %q; there can be one for %s.", platform, strings.Join(Platforms, ", "))
	}
	f, info, err := h.programs.open(platform)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return c.File("application/octet-stream", info.Size(), f, downloadTime)
}

// install gives out the script that installs the agent from here.
func (h *Handler) install(c *rest.Call) error {
	host, port, err := hub(c.R.Host)
	if err != nil {
		return err
	}
	address := host
	if port != 443 {
		address = net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
	}
	// The texts that end in a line break are whole lines of the script.
	fill := []string{
		"%HUB%", address, "%HTTPS_PORT%", strconv.Itoa(port), "%MQTT_PORT%", strconv.Itoa(h.opt.MQTTPort()),
		"%CA%\n", certificates(h.opt.CA()), "%UNIT%\n", packaging.AgentUnit, "%INIT%\n", packaging.AgentInit,
	}
	for _, platform := range Platforms {
		s, err := h.programs.sum(platform)
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.NotFound {
				return err
			}
			s = "none"
		}
		fill = append(fill, "%SUM_"+strings.ToUpper(strings.TrimPrefix(platform, "linux-"))+"%", s)
	}
	return c.Text("text/x-shellscript; charset=utf-8", strings.NewReplacer(fill...).Replace(packaging.AgentInstall))
}

// certificates returns the certificates of a PEM text and nothing else that
// stands in it, so that no line of it can be one of the script.
func certificates(text []byte) string {
	var b strings.Builder
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return b.String()
		}
		if block.Type == "CERTIFICATE" {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
		}
		text = rest
	}
}

// hub reads the Host header: a name, an IPv4 address or an IPv6 address in
// brackets, with or without a port. It becomes part of a shell script, so
// nothing but the characters of names and addresses gets through.
func hub(header string) (host string, port int, err error) {
	host, port = header, 443
	if h, p, err := net.SplitHostPort(header); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return "", 0, badHost()
		}
		host, port = h, int(n)
		if strings.Contains(h, ":") {
			host = "[" + h + "]" // SplitHostPort takes them off
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		if !ok || err != nil || !a.Is6() || a.Zone() != "" {
			return "", 0, badHost()
		}
		return "[" + a.String() + "]", port, nil
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	if host == "" || len(host) > 253 || strings.HasPrefix(host, "-") || strings.Trim(host, letters) != "" {
		return "", 0, badHost()
	}
	return host, port, nil
}

func badHost() error {
	return tvilling.Errorf(tvilling.InvalidArgument, "The Host header is not the name or address of a hub.")
}
