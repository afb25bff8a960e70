package template
import ("testing";"os";"encoding/json";"fmt")
func TestZ(t *testing.T){
 for _, f := range []string{"testdata/sample.yaml","/tmp/w/template/a.yaml"} {
 src,_:=os.ReadFile(f)
 docs,err:=Parse(f,src)
 if err!=nil { fmt.Println(err); continue }
 for _,d:=range docs { b,_:=json.MarshalIndent(d.Template,""," "); fmt.Println(string(b), d.Line, d.Warnings); fmt.Println(string(d.Text)); x,s,e:=d.Redact(); fmt.Println(string(x),s,e); y,e:=Reveal(x,s); fmt.Println(string(y)==string(d.Text),e); z,e:=Rename(x,"foo 'bar\""); fmt.Println(string(z),e) }
 }
}
