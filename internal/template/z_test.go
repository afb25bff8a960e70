package template
import ("testing";"fmt";"strings";"time";"runtime";"runtime/debug")
func TestZ(t *testing.T){
 N:=MaxDocumentBytes-10
 rep:=func(s string) string { return strings.Repeat(s, N/len(s)) }
 head:="api_version: v1\nkind: taskTemplate\nmetadata: {name: a}\nspec: {kernel: {image: a}}\n"
 var keys strings.Builder; for i:=0; keys.Len()<N-20; i++ { fmt.Fprintf(&keys,"k%d:\n",i) }
 var mil strings.Builder; for i:=0; i<1000000; i++ { fmt.Fprintf(&mil,"k%d: 1\n",i) }
 var ind strings.Builder; for i:=0; ind.Len()<N-1000; i++ { ind.WriteString(strings.Repeat(" ",i)+"a:\n") }
 cases:=map[string]string{
  "brackets100k": strings.Repeat("[",100000), "braces": rep("{a: "), "jsonbrackets": strings.Repeat("[",100000)+strings.Repeat("]",100000)[:30000],
  "json1M": strings.Repeat("[",1<<20), "jsonflat1M": "["+strings.Repeat("1,",(1<<19)-10)+"1]", "jsonobj": `{"a":`+strings.Repeat("[[],",100000)+"1",
  "dashes": rep("- "), "qmarks": rep("? "), "anchors": rep("&a "), "tags": rep("! "), "comments": rep("#\n"), "commentsline": rep("a: #\n"), "commentkeys": head+rep("# a\n")[:N-200],
  "commentsind": "a:\n"+rep(" #\n")[:N-10], "emptyitems": rep("-\n"), "flowitems": "["+rep("[],")[:N-20], "quotes": `"`+rep(`\"`)[:N-20], "dqlines": `a: "`+rep("\n\n")[:N-20]+`"`,
  "lit": "a: |\n"+rep(" \n")[:N-20], "litlong": "a: |\n"+rep("  x\n")[:N-20], "keys": keys.String(), "keysindent": ind.String(), "million": mil.String(), "ten": strings.Repeat("a",10<<20),
  "spaces": rep(" "), "tabs": rep("\t"), "newlines": rep("\n"), "percent": rep("%YAML 1.1\n"), "tagdir": rep("%TAG !a! b\n")+"---\n", "colon": rep(":"), "colons": rep(": "), "a:": rep("a: "), "commas": "["+rep(",")[:N-20],
  "plainlong": rep("a "), "plainlines": rep("a\n"), "aliases": "a: &a 1\nb: ["+rep("*a,")[:N-40]+"]", "merge": head+"x-a: &a {b: 1}\nx-b:\n"+rep("  <<: *a\n")[:N-300],
  "docs": strings.Repeat("---\n", (1<<20)/4), "docs8": strings.Repeat(head+"x-a: ["+strings.Repeat("1,",(MaxDocumentBytes-200)/2)+"1]\n---\n",8), "docsbad": strings.Repeat("a: \"\n---\n",(1<<20)/10),"docsbad8": strings.Repeat("a: "+strings.Repeat("b ",7000)+"\n b: c: d\n---\n",70),
  "docstempl": strings.Repeat(head+"---\n",11000), "templlist": strings.Repeat("- template: {api_version: v1, kind: taskTemplate, metadata: {name: a}, spec: {kernel: {image: a}}}\n",1200),
  "templlistblock": strings.Repeat("- template:\n   api_version: v1\n   kind: taskTemplate\n   metadata: {name: a}\n   spec: {kernel: {image: a}}\n",1000), "templanchor": "- template: &t {api_version: v1, kind: taskTemplate, metadata: {name: a}, spec: {kernel: {image: a}}}\n"+strings.Repeat("- template: *t\n",250),
  "mounts": head[:len(head)-1-len("spec: {kernel: {image: a}}")]+"spec:\n kernel: {image: a}\n mounts:\n"+func()string{var b strings.Builder; for i:=0;b.Len()<N-400;i++{fmt.Fprintf(&b,"  m%d:\n",i)};return b.String()}(),
  "mountsover": head[:len(head)-1-len("spec: {kernel: {image: a}}")]+"spec:\n kernel: {image: a}\n mounts:\n"+func()string{var b strings.Builder; for i:=0;b.Len()<N-400;i++{fmt.Fprintf(&b,"  m%d: a\n",i)};return b.String()}(),
  "utf": rep("é"), "ls": rep("a: \u2028"),
  "params": head+"x-agentd: {params: {"+func()string{var b strings.Builder; for i:=0;b.Len()<N-400;i++{fmt.Fprintf(&b,"m%d: a, ",i)};return b.String()}()+"}}",
  "paramuse": "x-agentd: {params: {"+func()string{var b strings.Builder; for i:=0;b.Len()<N/2;i++{fmt.Fprintf(&b,"m%d: a, ",i)};return b.String()}()+"}}\n"+head[:len(head)-3]+", environ: {A: '"+strings.Repeat("${param:zzz}",5000)+"'}}}\n",
 }
 for name,s:=range cases { if name!="ten" && len(s)>1<<20 { s=s[:1<<20] }
  debug.FreeOSMemory()
  var m0,m1 runtime.MemStats; runtime.ReadMemStats(&m0)
  peak:=uint64(0); stop:=make(chan bool); done:=make(chan bool)
  go func(){ for { select { case <-stop: close(done); return; default: }; var m runtime.MemStats; runtime.ReadMemStats(&m); if m.HeapInuse+m.StackInuse>peak {peak=m.HeapInuse+m.StackInuse}; time.Sleep(time.Millisecond)} }()
  st:=time.Now(); docs,err:=Parse("",[]byte(s)); d:=time.Since(st); close(stop); <-done
  runtime.ReadMemStats(&m1)
  e:=""; if err!=nil { e=err.Error() }; if len(e)>130 {e=e[:130]}
  flag:=""; if d>300*time.Millisecond || peak>40<<20 { flag="!!!" }
  fmt.Printf("%-14s %8d B %8.1fms alloc %6.1fMB peak %6.1fMB docs %d %q %s\n",name,len(s),float64(d.Microseconds())/1000,float64(m1.TotalAlloc-m0.TotalAlloc)/1e6,float64(peak)/1e6,len(docs),e,flag)
 }
}
