package router_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/router"
	"github.com/skytools-go/skytools/test/replicas"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// routed is a router of the world as its application has it, running.
func routed(t testing.TB, w *replicas.World, change func(*router.Config)) *router.Router {
	t.Helper()
	c := router.Config{Root: replicas.As(t, w.Root, w.RootDSN, replicas.Reader), Queue: replicas.Queue}
	for _, r := range w.Replicas {
		c.Replicas = append(c.Replicas, router.Replica{
			Name: r.Name, Pool: replicas.As(t, r.Server, r.DSN, replicas.Reader), Consumer: r.Pair.Job,
		})
	}
	if change != nil {
		change(&c)
	}
	r, err := router.New(c)
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Start(t, "router", r.Run)
	return r
}

// fresh waits until all the replicas named get reads.
func fresh(t testing.TB, r *router.Router, names ...string) {
	t.Helper()
	pgtest.Eventually(t, 30*time.Second, fmt.Sprintf("replicas %v fresh", names), func() bool {
		for _, name := range names {
			if s := stands(r, name); s.Age == nil || *s.Age > r.MaxLag.Seconds() {
				return false
			}
		}
		return true
	})
}

func stands(r *router.Router, name string) router.ReplicaStatus {
	for _, s := range r.Status().Replicas {
		if s.Name == name {
			return s
		}
	}
	return router.ReplicaStatus{}
}
