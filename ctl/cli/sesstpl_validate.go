package cli

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentd/internal/api"
	"agentd/internal/client"
	"agentd/internal/errs"
	"agentd/internal/template"
)

// validateOutput is what validate prints with -o json.
type validateOutput struct {
	SchemaVersion int            `json:"schema_version"`
	Valid         bool           `json:"valid"`
	Templates     []validated    `json:"templates"`
	Problems      []errs.Problem `json:"problems"`
}

// validated is one template of the documents.
type validated struct {
	File string `json:"file"`
	api.Validated
}

func (a *app) sesstplValidate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate [-f FILE]...",
		Short: "Check documents without storing them",
		Long: `Check documents without storing them. It needs no agentd, and finds all that
create and update would find in the text.

Every problem is told at once, a line each, as FILE:LINE:COLUMN: PATH: what is
wrong. The exit status is 1 if there is any; warnings stop nothing.`,
		Example: `  ctl sesstpl validate -f session-template.yaml

  # Before a commit
  ctl sesstpl validate -q -f templates/`,
		Args: argumentNames(),
	}
	files := addFiles(cmd)
	f := addOutput(cmd, formatText, formatTable, formatJSON, formatYAML, formatName)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		docs, err := a.documents(cmd, *files)
		if err != nil {
			return err
		}
		out, err := validateAll(docs)
		if err != nil {
			return err
		}
		return a.validation(f, out)
	}
	return cmd
}

// validateAll checks each document; only what is no problem of a document is an error.
func validateAll(docs []client.Document) (validateOutput, error) {
	out := validateOutput{SchemaVersion: api.SchemaVersion, Templates: []validated{}, Problems: []errs.Problem{}}
	for _, doc := range docs {
		found, err := template.Parse(doc.Name, doc.Text)
		e, ok := errors.AsType[*errs.Error](err)
		switch {
		case err == nil:
		case ok && len(e.Problems) > 0:
			out.Problems = append(out.Problems, e.Problems...)
		default:
			return out, err
		}
		for _, d := range found {
			v := api.Validated{Name: d.Template.Metadata.Name, Line: d.Line, Warnings: d.Warnings}
			out.Templates = append(out.Templates, validated{File: doc.Name, Validated: v})
		}
	}
	out.Valid = len(out.Problems) == 0
	return out, nil
}

func (a *app) validation(f *format, out validateOutput) error {
	if f.value == formatJSON || f.value == formatYAML {
		if err := a.data(f.value, out); err != nil || out.Valid {
			return err
		}
		return exitStatus(api.Lookup(errs.Invalid).Exit)
	}
	for _, v := range out.Templates {
		a.warnings(v.Warnings)
	}
	if err := a.print(a.validText(f, out)); err != nil {
		return err
	}
	if !out.Valid {
		return &errs.Error{Code: errs.Invalid, Message: notValid(len(out.Problems)), Problems: out.Problems}
	}
	return nil
}

// notValid counts.
func notValid(problems int) string {
	if problems == 1 {
		return "not valid: 1 problem"
	}
	return "not valid: " + strconv.Itoa(problems) + " problems"
}

// validText is the list of the templates that are valid.
func (a *app) validText(f *format, out validateOutput) string {
	t := table{header: []column{{title: "FILE", shrinks: true}, {title: "LINE"}, {title: "NAME", shrinks: true}}}
	var text strings.Builder
	for _, v := range out.Templates {
		t.add(v.File, strconv.Itoa(v.Line), v.Name)
		switch {
		case a.quiet:
		case f.value == formatName:
			text.WriteString(printable(v.Name) + "\n")
		case f.value == formatText:
			text.WriteString(printable(v.File+":"+strconv.Itoa(v.Line)+": "+v.Name+": valid") + "\n")
		}
	}
	if f.value == formatTable {
		return t.render(a.outWidth())
	}
	return text.String()
}
