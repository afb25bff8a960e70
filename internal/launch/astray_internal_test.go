package launch

import (
	"testing"

	"agentd/internal/errs"
	"agentd/internal/plan"
)

func TestLeadsAstray_LinksIntoNothingOfTheImagesOwn(t *testing.T) {
	p := plan.Plan{Mounts: []plan.Mount{{Target: "/m"}}}
	for to, refused := range map[string]bool{
		"": true, "/home/work": true, "/home/work/passwd": true, "/m": true, "/m/made": true,
		"/nix/store/passwd": false, "/mnt/passwd": false, "/home/worker/passwd": false,
	} {
		err := leadsAstray(Image{Leads: map[string]string{"/etc/passwd": to}}, p)
		if errs.Is(err, errs.Invalid) != refused || (err != nil) != refused {
			t.Errorf("a link to %q gives %v, refused: %v", to, err, refused)
		}
	}
	if err := leadsAstray(Image{}, p); err != nil {
		t.Errorf("an image without links: %v", err)
	}
}
