// Package imagetest makes container images on the spot for tests, and serves them from a registry in this process whose
// faults can be chosen: no registry of the outside is needed, and none is asked.
package imagetest
