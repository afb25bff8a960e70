// Package api is the wire between agentd and its clients: paths, bodies, headers, and the table of error codes.
package api

// Headers beside the standard ones.
const (
	// VersionHeader carries the version of the sender, both ways.
	VersionHeader = "X-Agentd-Version"
	// RequestIDHeader carries the id of the request, which the daemon's log has too.
	RequestIDHeader = "X-Request-Id"
)

// Host is what clients send as Host; any other but localhost is refused.
const Host = "agentd"

// SchemaVersion is the version of the JSON that ctl prints and of the bodies under /v1. It changes only with a field's
// meaning or removal; new fields do not change it.
const SchemaVersion = 1

// Limits of requests.
const (
	// MaxRequestBytes bounds the body of a request with documents.
	MaxRequestBytes = 1 << 20
	// MaxHeaderBytes bounds the header of any request.
	MaxHeaderBytes = 16 << 10
)

// Paths. {ref} is an exact id, an exact name, or a unique prefix of an id, tried in that order.
const (
	PathHealth            = "/v1/healthz"
	PathOpenAPI           = "/v1/openapi.json"
	PathMetrics           = "/metrics"
	PathTemplates         = "/v1/templates"
	PathTemplatesValidate = "/v1/templates/-/validate"
	PathTemplatesSchema   = "/v1/templates/-/schema"
	PathTemplate          = "/v1/templates/{ref}"
	PathTemplateText      = "/v1/templates/{ref}/text"
	PathTemplateRevisions = "/v1/templates/{ref}/revisions"
	PathTemplateRollback  = "/v1/templates/{ref}/rollback"
	PathTemplateRestore   = "/v1/templates/{ref}/restore"
	PathTemplateCopy      = "/v1/templates/{ref}/copy"
)

// Health is the answer of GET /v1/healthz: the status is 503 if the daemon or its store is not well, and
// 200 otherwise: an engine that does not answer makes agentd degraded, not broken.
type Health struct {
	SchemaVersion int    `json:"schema_version" doc:"version of this JSON"`
	Version       string `json:"version" doc:"agentd's version"`
	Status        string `json:"status" enum:"ok,degraded" doc:"ok, or degraded if a part is not ok"`
	Daemon        Part   `json:"daemon" doc:"the daemon itself"`
	Store         Part   `json:"store" doc:"the state directory: a probe was written and read back"`
	Engine        Part   `json:"engine" doc:"the Docker Engine"`
}

// Part is the health of one part.
type Part struct {
	Status string `json:"status" enum:"ok,starting,failed,unused" doc:"unused: nothing needs it yet"`
	Detail string `json:"detail,omitempty" doc:"why, in a sentence"`
}
