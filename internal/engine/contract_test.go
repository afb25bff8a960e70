package engine_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"agentd/internal/engine"
	"agentd/internal/engine/enginetest"
	"agentd/internal/errs"
	"agentd/internal/imagetest"
	"agentd/internal/testenv"
)

// unique is a short random name.
func unique() string { return strings.ToLower(rand.Text()[:10]) }

func TestFake_Contract(t *testing.T) {
	enginetest.Run(t, func(t *testing.T) enginetest.Ground {
		f := enginetest.Start(t)
		f.Have("agentd-test/present:v1", enginetest.Image{Architecture: "amd64"})
		f.Have("agentd-test/volumes:v1", enginetest.Image{Architecture: "amd64", Volumes: []string{"/data", "/more"}})
		publish := func(architectures ...string) func(testing.TB) string {
			return func(testing.TB) string {
				ref := "127.0.0.1:5000/team/app:" + unique()
				var images []enginetest.Image
				for _, a := range architectures {
					images = append(images, enginetest.Image{Architecture: a, Seed: ref})
				}
				f.Publish(ref, images...)
				return ref
			}
		}
		return enginetest.Ground{
			Host: f.Host(), Present: "agentd-test/present:v1", Volumes: "agentd-test/volumes:v1",
			Multi: publish("amd64", "arm64"), Single: publish("amd64"), Missing: "127.0.0.1:5000/team/none:v1",
			Tagged: func(_ testing.TB, ref string) string { return f.Tags()[ref] },
		}
	})
}

func TestEngine_Contract(t *testing.T) {
	e := testenv.Engine(t)
	enginetest.Run(t, func(t *testing.T) enginetest.Ground {
		registry := imagetest.Serve(t, e.Listen(t))
		busybox := imagetest.WithBusybox(t, "amd64")
		present, volumes := "agentd-test/present:"+unique(), "agentd-test/volumes:"+unique()
		imagetest.Load(t, e.Host, present, busybox)
		busybox.Volumes = []string{"/data", "/more"}
		imagetest.Load(t, e.Host, volumes, busybox)
		return enginetest.Ground{
			Host: e.Host, Present: present, Volumes: volumes,
			Multi:   publish(e, registry, "amd64", "arm64"),
			Single:  publish(e, registry, "amd64"),
			Missing: registry.Ref("team/none:v1"),
			Tagged:  func(t testing.TB, ref string) string { return tagged(t, e.Host, ref) },
		}
	})
}

// publish pushes small images under a new name, which the engine loses when the test ends.
func publish(e *testenv.DockerEngine, r *imagetest.Registry, architectures ...string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		path := "team/app:" + unique()
		var images []imagetest.Image
		for _, a := range architectures {
			images = append(images, imagetest.Image{
				Architecture: a,
				Layers:       [][]imagetest.File{imagetest.Etc(), {{Name: "etc/which", Mode: 0o644, Body: []byte(path + a)}}},
			})
		}
		ref := r.Push(t, path, images...)
		t.Cleanup(func() { forgetImages(t, e.Host, ref) })
		return ref
	}
}

// forgetImages removes all names that the engine has for ref, and our holds of what is in its registry.
func forgetImages(t testing.TB, host, ref string) {
	t.Helper()
	imagetest.Remove(t, host, ref)
	server, _, _ := strings.Cut(ref, "/")
	for _, name := range imagetest.Names(t, host) {
		if strings.HasPrefix(name, "agentd.local/hold/"+strings.ReplaceAll(server, ":", "-")+"/") {
			imagetest.Remove(t, host, name)
		}
	}
}

// tagged is the id that the engine has under the name, or "".
func tagged(t testing.TB, host, ref string) string {
	t.Helper()
	e, err := engine.Connect(host)
	if err != nil {
		t.Fatal(err)
	}
	img, err := e.Image(t.Context(), ref)
	if err != nil && !errs.Is(err, errs.NotFound) {
		t.Fatal(err)
	}
	return img.ID
}
