package imagetest

import (
	"bytes"
	"io"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is an image to make. Its zero value, with files, is for linux/amd64.
type Image struct {
	// Architecture and Variant are in the image's config; the files need not agree.
	Architecture string
	Variant      string
	// Layers are the files, a layer each.
	Layers [][]File

	Env         []string
	Entrypoint  []string
	Cmd         []string
	WorkingDir  string
	User        string
	Volumes     []string
	Labels      map[string]string
	Healthcheck []string
	StopSignal  string
}

// WithBusybox is an image with busybox in it, for the architecture that its config is to name.
func WithBusybox(t testing.TB, architecture string) Image {
	t.Helper()
	return Image{
		Architecture: architecture, Layers: [][]File{Busybox(t)}, Env: []string{"PATH=/bin"}, Cmd: []string{"/bin/sh"},
	}
}

// Build makes the image, the same digests for the same contents.
func Build(t testing.TB, img Image) v1.Image {
	t.Helper()
	built := mutate.MediaType(empty.Image, types.DockerManifestSchema2)
	built = mutate.ConfigMediaType(built, types.DockerConfigJSON)
	for _, files := range img.Layers {
		text := archive(t, files)
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(text)), nil
		}, tarball.WithMediaType(types.DockerLayer))
		if err != nil {
			t.Fatal(err)
		}
		if built, err = mutate.AppendLayers(built, layer); err != nil {
			t.Fatal(err)
		}
	}
	file, err := built.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = "linux", "amd64", img.Variant
	if img.Architecture != "" {
		file.Architecture = img.Architecture
	}
	file.Created = v1.Time{Time: time.Unix(1, 0).UTC()}
	file.Config = img.config()
	if built, err = mutate.ConfigFile(built, file); err != nil {
		t.Fatal(err)
	}
	return built
}

func (img Image) config() v1.Config {
	c := v1.Config{
		Env: img.Env, Entrypoint: img.Entrypoint, Cmd: img.Cmd, WorkingDir: img.WorkingDir, User: img.User,
		Labels: img.Labels, StopSignal: img.StopSignal,
	}
	for _, path := range img.Volumes {
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[path] = struct{}{}
	}
	if img.Healthcheck != nil {
		c.Healthcheck = &v1.HealthConfig{Test: img.Healthcheck, Interval: time.Second}
	}
	return c
}

// index is a manifest list of the images.
func index(t testing.TB, images []v1.Image) v1.ImageIndex {
	t.Helper()
	list := mutate.IndexMediaType(empty.Index, types.DockerManifestList)
	for _, img := range images {
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		list = mutate.AppendManifests(list, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: file.OS, Architecture: file.Architecture, Variant: file.Variant},
		}})
	}
	return list
}
