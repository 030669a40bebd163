package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// sums are the static files with the beginning of their hash, which stands in
// their address: a browser may keep each for ever.
var sums = func() map[string]string {
	all := map[string]string{}
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		data, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(data)
		all[e.Name()] = hex.EncodeToString(sum[:6])
	}
	return all
}()

func staticURL(name string) string { return "static/" + name + "?v=" + sums[name] }

// mediaTypes are the files that browsers get; a system's own table of types
// is not asked.
var mediaTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

func serveStatic(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/static/")
	media := mediaTypes[path.Ext(name)]
	if sums[name] == "" || media == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", `"`+sums[name]+`"`)
	if r.URL.Query().Get("v") == sums[name] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, files, "static/"+name)
}
