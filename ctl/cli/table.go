package cli

import "strings"

// table is rows under a header, a column each as wide as its widest cell.
type table struct {
	header []column
	rows   [][]string
}

// column is one column of a [table].
type column struct {
	title string
	// shrinks says that a cell may be cut where the terminal is narrow; an id may not, for it is there to be copied.
	shrinks bool
}

const (
	columnGap = 2
	// leastColumn is how narrow a cut column may become.
	leastColumn = 8
)

// add appends a row; the cells may hold anything.
func (t *table) add(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = printable(cell)
		if cell == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

// String renders the table within width columns; 0 means without a limit.
func (t *table) render(limit int) string {
	widths := t.widths(limit)
	var b strings.Builder
	titles := make([]string, len(t.header))
	for i, c := range t.header {
		titles[i] = c.title
	}
	for _, row := range append([][]string{titles}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			cell = shorten(cell, widths[i])
			line.WriteString(cell + strings.Repeat(" ", widths[i]-columns(cell)+columnGap))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// widths gives each column its width, taking from the widest that may shrink until all fit.
func (t *table) widths(limit int) []int {
	widths := make([]int, len(t.header))
	for i, c := range t.header {
		widths[i] = columns(c.title)
		for _, row := range t.rows {
			widths[i] = max(widths[i], columns(row[i]))
		}
	}
	if limit <= 0 {
		return widths
	}
	for {
		total, widest := columnGap*(len(widths)-1), -1
		for i, w := range widths {
			total += w
			if t.header[i].shrinks && w > leastColumn && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if total <= limit || widest < 0 {
			return widths
		}
		widths[widest]--
	}
}
