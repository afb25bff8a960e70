package layout_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"agentd/internal/layout"
)

// Every name is on a disk somewhere: one that changes needs a new version of the layout.
func TestLayout_Names(t *testing.T) {
	t.Parallel()
	s := layout.State("/s")
	u := s.User(4294967295)
	tpl, sec, ses, run := u.Template("T"), u.TemplateSecrets("T"), u.Session("S"), layout.Runtime("/r")
	got := []string{
		s.Lock(), s.Format(), s.InstanceID(), s.InstanceIDCopy(), s.Probe(), s.Ballast(), s.BallastFile(3),
		s.Quarantine(), s.Quarantined("q"), s.QuarantineReason("q"), s.Users(), string(u),
		u.Templates(), string(tpl), u.Purged("T"), tpl.Record(1), tpl.Text(1), u.Secrets(), string(sec), sec.Record(1234567),
		u.Sessions(), string(ses), ses.Record(), ses.PreviousRecord(), ses.Run(), ses.RunFile("job"), ses.Etc(),
		ses.Passwd(), ses.Group(), u.Scratches(), u.Scratch("S"), u.Checkout("S"),
		u.VFolders(), u.VFolder("v"), u.VFolderIndex(), u.VFolderRecord("v"), run.Socket(), run.Mounts(),
		u.GitCaches(), u.GitCache(7),
	}
	want := strings.Fields(`
		/s/lock /s/format /s/instance-id /s/instance-id.copy /s/probe /s/ballast /s/ballast/ballast-3.bin
		/s/quarantine /s/quarantine/q /s/quarantine/q.reason /s/users U
		U/templates U/templates/T U/templates/.purged-T U/templates/T/000001.json U/templates/T/000001.yaml
		U/secrets U/secrets/T U/secrets/T/1234567.json
		U/sessions U/sessions/S U/sessions/S/record.json U/sessions/S/record.prev.json
		U/sessions/S/run U/sessions/S/run/job U/sessions/S/etc U/sessions/S/etc/passwd U/sessions/S/etc/group
		U/scratch U/scratch/S U/scratch/S.checkout
		U/vfolders U/vfolders/v U/vfolder-index U/vfolder-index/v.json /r/agentd.sock /r/mnt
		U/git U/git/7`)
	for i := range want {
		want[i] = strings.Replace(want[i], "U", "/s/users/4294967295", 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
}

func TestParseRevision_IsTheInverseOfItsNames(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 9, 10, 999999, 1000000} {
		for suffix, path := range map[string]string{
			".json": layout.Template("").Record(n), ".yaml": layout.Template("").Text(n),
		} {
			got, gotSuffix, ok := layout.ParseRevision(path)
			if !ok || got != n || gotSuffix != suffix {
				t.Errorf("%s gives %d, %q, %v", path, got, gotSuffix, ok)
			}
		}
	}
	for _, name := range []string{
		"", ".json", "1.json", "00001.json", "0000001.json", "000000.json", "-00001.json", "+00001.json",
		"000001", "000001.txt", "000001.json.tmp", "00000x.json", " 000001.json", "99999999999999999999.json",
	} {
		if n, suffix, ok := layout.ParseRevision(name); ok {
			t.Errorf("%q gives %d, %q, want none", name, n, suffix)
		}
	}
}

func TestParseUserAndPurged_AreTheInversesOfTheirNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]uint32{"0": 0, "1000": 1000, "4294967295": 4294967295} {
		if got, ok := layout.ParseUser(name); !ok || got != want {
			t.Errorf("ParseUser(%q) gives %d, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "01", "-1", "+1", "4294967296", "alice"} {
		if got, ok := layout.ParseUser(name); ok {
			t.Errorf("ParseUser(%q) gives %d, want none", name, got)
		}
	}
	if id, ok := layout.ParsePurged(".purged-T"); !ok || id != "T" {
		t.Errorf("ParsePurged gives %q, %v", id, ok)
	}
	if id, ok := layout.ParsePurged("T"); ok {
		t.Errorf("a living template was purged: %q", id)
	}
}
