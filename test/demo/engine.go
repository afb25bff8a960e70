package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// engine asks the Docker Engine itself what is there: what agentd says of its own work proves nothing.
type engine struct {
	host   string
	client http.Client
}

func newEngine(host string) (*engine, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, err
	}
	network, address := u.Scheme, u.Host
	if network == "unix" {
		address = u.Path
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: dial}
	return &engine{host: host, client: http.Client{Transport: transport, Timeout: time.Minute}}, nil
}

// call asks and decodes the answer into out, unless that is nil. What is not there is no error for DELETE.
func (e *engine) call(method, path string, out any) error {
	req, err := http.NewRequestWithContext(context.Background(), method, "http://engine"+path, nil)
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if method == http.MethodDelete && resp.StatusCode == http.StatusNotFound {
		return nil
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the engine: %s %s: %s: %s", method, path, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// container is what the demo looks at.
type container struct {
	ID         string `json:"Id"`
	State      struct{ Pid int }
	HostConfig struct {
		Memory   int64
		NanoCpus int64
		CPUQuota int64 `json:"CpuQuota"`
	}
	Config struct{ User string }
}

// ofInstance is the query for what carries an agentd's label.
func ofInstance(instance string) string {
	filter, _ := json.Marshal(map[string][]string{"label": {"io.agentd.instance=" + instance}}) //nolint:errcheck // strings
	return "filters=" + url.QueryEscape(string(filter))
}

// containers lists those of the instance.
func (e *engine) containers(instance string) ([]container, error) {
	var ids []struct {
		ID string `json:"Id"`
	}
	if err := e.call(http.MethodGet, "/containers/json?all=1&"+ofInstance(instance), &ids); err != nil {
		return nil, err
	}
	var found []container
	for _, id := range ids {
		var c container
		if err := e.call(http.MethodGet, "/containers/"+id.ID+"/json", &c); err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, nil
}

// made lists the API paths of all that the instance has made, and of images whose names have one of the marks.
func (e *engine) made(instance string, marks ...string) ([]string, error) {
	var paths []string
	if instance != "" {
		containers, err := e.containers(instance)
		if err != nil {
			return nil, err
		}
		for _, c := range containers {
			paths = append(paths, "/containers/"+c.ID+"?force=1&v=1")
		}
		var volumes struct{ Volumes []struct{ Name string } }
		if err := e.call(http.MethodGet, "/volumes?"+ofInstance(instance), &volumes); err != nil {
			return nil, err
		}
		for _, v := range volumes.Volumes {
			paths = append(paths, "/volumes/"+v.Name)
		}
		var networks []struct{ Name string }
		if err := e.call(http.MethodGet, "/networks?"+ofInstance(instance), &networks); err != nil {
			return nil, err
		}
		for _, n := range networks {
			paths = append(paths, "/networks/"+n.Name)
		}
	}
	var images []struct{ RepoTags []string }
	if err := e.call(http.MethodGet, "/images/json", &images); err != nil {
		return nil, err
	}
	for _, image := range images {
		for _, tag := range image.RepoTags {
			if slices.ContainsFunc(marks, func(mark string) bool { return strings.Contains(tag, mark) }) {
				paths = append(paths, "/images/"+tag+"?force=1")
			}
		}
	}
	return paths, nil
}

// remove deletes what [engine.made] lists.
func (e *engine) remove(paths []string) error {
	for _, path := range paths {
		if err := e.call(http.MethodDelete, path, nil); err != nil {
			return err
		}
	}
	return nil
}
