package hubapi

import (
	"fmt"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// A configuration writes twins, so whoever makes, changes or ends one must be
// allowed to write those that it can reach: ordinary twins by RegistryWrite, as
// in IoT Hub, or ServiceConnect, which writes every twin anyway; those of
// security modules as [Handler.allowTwinWrite] has it.

// reach is which twins a configuration may write.
type reach struct {
	ordinary bool // of devices, or of modules other than the security module
	security bool // of security modules
}

// reachOf tells which twins a configuration may write. Of a module
// configuration only a condition that demands one moduleId says which; any
// other may find every module.
func (h *Handler) reachOf(conf *configuration.Configuration) reach {
	if conf.Kind() == configuration.Devices {
		return reach{ordinary: true}
	}
	q, err := query.Compile("select * " + conf.Target)
	if err != nil {
		return reach{ordinary: true, security: true} // it is refused when it is looked at closely
	}
	module, one := q.EqualityOn("moduleId")
	switch {
	case !one:
		return reach{ordinary: true, security: true}
	case h.security(module):
		return reach{security: true}
	default:
		return reach{ordinary: true}
	}
}

// readsConfiguration passes a caller that may read a configuration.
func (h *Handler) readsConfiguration(c *rest.Call, conf *configuration.Configuration) error {
	sets := []auth.Permission{auth.RegistryRead, auth.ServiceConnect}
	if !h.reachOf(conf).ordinary {
		sets = append(sets, auth.SecurityRead, auth.SecurityWrite)
	}
	return c.Must(sets...)
}

// writesConfiguration passes a caller that may make a configuration, change it
// or take it away.
func (h *Handler) writesConfiguration(c *rest.Call, conf *configuration.Configuration) error {
	r := h.reachOf(conf)
	guarded := h.Settings.Current().GuardSecurityTwin
	sets := []auth.Permission{auth.RegistryWrite, auth.ServiceConnect}
	switch {
	case !r.security || r.ordinary && !guarded:
		return c.Must(sets...)
	case !guarded:
		return c.Must(append(sets, auth.SecurityWrite)...)
	case !r.ordinary:
		return c.Must(auth.SecurityWrite)
	}
	if c.Must(auth.SecurityWrite) != nil {
		return c.Forbid("the condition may find security module twins, which the setting guardSecurityTwin leaves to policies with SecurityWrite" +
			"; name the module in the condition, as moduleId = 'app', or use such a policy")
	}
	return c.Must(sets...)
}

// writesUpdate is [Handler.writesConfiguration] for a PUT: of what is there
// already, if it is to be changed, and of what it is to become.
func (h *Handler) writesUpdate(c *rest.Call, next *configuration.Configuration, match tvilling.Match) error {
	if err := h.measures(c, next); err != nil {
		return err
	}
	if !match.Given {
		return h.writesConfiguration(c, next)
	}
	present, err := h.Configurations.Get(c.Context(), next.ID)
	if err != nil {
		return err
	}
	if err := h.writesConfiguration(c, &present); err != nil {
		return err
	}
	then := *next
	if then.Content == nil {
		then.Content = present.Content // an update keeps it
	}
	return h.writesConfiguration(c, &then)
}

// measures passes a caller that may have the metrics of a configuration
// counted: one that may reach security module twins alone learns nothing of others.
func (h *Handler) measures(c *rest.Call, conf *configuration.Configuration) error {
	if c.Who.May(auth.RegistryWrite) || c.Who.May(auth.ServiceConnect) {
		return nil
	}
	for name, text := range conf.Metrics {
		q, err := query.Compile(text)
		if err != nil {
			continue // it is refused when it is looked at closely
		}
		if module, one := q.EqualityOn("moduleId"); q.Collection() != query.Modules || !one || !h.security(module) {
			return c.Forbid(fmt.Sprintf("the metric %.64q may count twins other than those of security modules, for which a policy needs RegistryWrite or ServiceConnect"+
				"; ask FROM devices.modules WHERE moduleId = '%s'", name, h.SecurityModule))
		}
	}
	return nil
}
