package query

import "github.com/tvilling/tvilling/internal/hub/twin/doc"

// The members of a twin that have members or elements of their own, each as a
// view of the whole [Twin], so that none has to be built.
type (
	tags         Twin
	properties   Twin
	desired      Twin
	reported     Twin
	capabilities Twin
	thumbprints  Twin
	scopes       Twin
)

// The forms in which sections stand in a twin (wire §2.2).
var (
	desiredForm  = doc.Form{Metadata: true, UpdatedVersion: true, Version: true}
	reportedForm = doc.Form{Metadata: true, Version: true}
)

func (t *tags) AppendJSON(dst []byte) []byte { return t.Twin.Tags.AppendJSON(dst, doc.Form{}) }

func (t *desired) AppendJSON(dst []byte) []byte { return t.Twin.Desired.AppendJSON(dst, desiredForm) }

func (t *reported) AppendJSON(dst []byte) []byte {
	return t.Twin.Reported.AppendJSON(dst, reportedForm)
}

func (t *properties) AppendJSON(dst []byte) []byte {
	dst = (*desired)(t).AppendJSON(append(dst, `{"desired":`...))
	dst = (*reported)(t).AppendJSON(append(dst, `,"reported":`...))
	return append(dst, '}')
}

func (t *capabilities) AppendJSON(dst []byte) []byte {
	dst = BoolValue(t.Identity.Edge).AppendJSON(append(dst, `{"iotEdge":`...))
	return append(dst, '}')
}

func (t *thumbprints) AppendJSON(dst []byte) []byte {
	dst = nullable(t.Identity.Auth.PrimaryThumbprint).AppendJSON(append(dst, `{"primaryThumbprint":`...))
	dst = nullable(t.Identity.Auth.SecondaryThumbprint).AppendJSON(append(dst, `,"secondaryThumbprint":`...))
	return append(dst, '}')
}

func (t *scopes) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, s := range t.Identity.ParentScopes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

func (t *scopes) Elements(yield func(Value) bool) {
	for _, s := range t.Identity.ParentScopes {
		if !yield(StringValue(s)) {
			return
		}
	}
}

// metadata is a level of $metadata below its root. The document knows more of
// a stamp than the service shows of a section.
type metadata struct {
	value doc.Value
	form  doc.Form
}

func (m metadata) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for name, v := range m.value.Members() {
		switch name {
		case "$actor":
			if !m.form.Actors {
				continue
			}
		case "$lastUpdatedVersion", "$lastUpdatedBy", "$lastUpdatedByDigest":
			if !m.form.UpdatedVersion {
				continue
			}
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		if v.Kind() == doc.Object {
			dst = metadata{v, m.form}.AppendJSON(dst)
		} else {
			dst = v.AppendJSON(dst)
		}
	}
	return append(dst, '}')
}
