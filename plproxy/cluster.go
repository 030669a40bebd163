package plproxy

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/londiste/set"
)

// Config says what is kept where.
type Config struct {
	Job        string          // whose clusters they are
	Proxy      *pgx.ConnConfig // the PL/Proxy database
	Form       Form
	Write      string // name of the cluster for writes
	Read       string // of that for reads, and the first part of `read_0` …
	Callers    []string
	Partitions []Partition
	MaxLag     time.Duration // of a replica in a cluster
	Fallback   bool          // reads go to the provider where no replica is fresh
}

// Form is how the proxy database holds clusters.
type Form string

// The forms.
const (
	SQLMED    Form = "sqlmed"
	Functions Form = "functions"
)

// Partition is one provider and its replicas.
type Partition struct {
	Write    string // connection string of the provider, as the proxy database uses it
	Replicas []Replica
}

// Replica is a subscriber.
type Replica struct {
	Name    string   // for the log
	Pair    set.Pair // how it is looked at
	Connect string   // as the proxy database uses it
	Weight  int
}

// check refuses what cannot be kept.
func (c *Config) check() error {
	n := len(c.Partitions)
	switch {
	case n == 0:
		return errors.New("no partition")
	case bits.OnesCount(uint(n)) != 1:
		return hint.With(errors.New(noun.Count(n, "partition")),
			"PL/Proxy takes a key's partition from the last bits of its hash: have 1, 2, 4, 8 …")
	case c.MaxLag <= 0:
		return hint.With(fmt.Errorf("max_lag %s: no replica is ever so fresh", c.MaxLag), "rows are as old as a tick and a look allow: allow a second or more")
	case c.Write == c.Read:
		return hint.With(fmt.Errorf("one cluster, %s, for writes and reads", c.Write), "write_cluster and read_cluster need names of their own")
	}
	for i, p := range c.Partitions {
		for _, r := range p.Replicas {
			if r.Weight < 1 {
				return fmt.Errorf("partition %d: replica %s has weight %d", i, r.Name, r.Weight)
			}
			if q := p.Replicas[0].Pair.Queue; r.Pair.Queue != q {
				return hint.With(fmt.Errorf("partition %d: replica %s reads queue %s, and %s reads %s", i, r.Name, r.Pair.Queue, p.Replicas[0].Name, q),
					"the replicas of a partition have one provider")
			}
		}
	}
	return nil
}

// Cluster is a name and where its partitions are.
type Cluster struct {
	Name    string
	Slots   []string // connection strings
	Modular bool     // any number of slots
}

func (c Cluster) equal(o Cluster) bool {
	return c.Name == o.Name && c.Modular == o.Modular && slices.Equal(c.Slots, o.Slots)
}

// nowhere is a slot that no call may reach, for a partition without a fresh
// replica: the others are to be read all the same.
const nowhere = "host=127.0.0.1 port=1 dbname=no_fresh_replica connect_timeout=1"

// clusters are all of them, from who is fresh: replicas by partition and place.
// chosen are the connection strings that the slots of `read` had before.
func (k *Keeper) clusters(fresh [][]bool, chosen []string) []Cluster {
	list := []Cluster{{Name: k.Write, Slots: k.writers()}}
	if len(k.Partitions) == 1 {
		return append(list, k.weighted(k.Read, 0, fresh[0]))
	}
	read := Cluster{Name: k.Read}
	for i := range k.Partitions {
		before := ""
		if i < len(chosen) {
			before = chosen[i]
		}
		read.Slots = append(read.Slots, k.choose(i, fresh[i], before))
	}
	list = append(list, read)
	for i := range k.Partitions {
		list = append(list, k.weighted(fmt.Sprintf("%s_%d", k.Read, i), i, fresh[i]))
	}
	return list
}

// writers are the connection strings of the cluster for writes, a partition
// each. A switchover changes what it returns, and nothing else here.
func (k *Keeper) writers() []string {
	var list []string
	for _, p := range k.Partitions {
		list = append(list, p.Write)
	}
	return list
}

func (k *Keeper) weighted(name string, partition int, fresh []bool) Cluster {
	c := Cluster{Name: name, Modular: true, Slots: []string{}}
	for j, r := range k.Partitions[partition].Replicas {
		for range r.Weight {
			if fresh[j] {
				c.Slots = append(c.Slots, r.Connect)
			}
		}
	}
	if len(c.Slots) == 0 {
		c.Slots = append(c.Slots, k.instead(partition))
	}
	return c
}

// choose keeps to the replica that was chosen before, while it is fresh: calls
// then find its connection open. Else it is the one of the greatest weight.
func (k *Keeper) choose(partition int, fresh []bool, before string) string {
	best := -1
	replicas := k.Partitions[partition].Replicas
	for j, r := range replicas {
		switch {
		case !fresh[j]:
		case r.Connect == before:
			return before
		case best < 0 || r.Weight > replicas[best].Weight:
			best = j
		}
	}
	if best < 0 {
		return k.instead(partition)
	}
	return replicas[best].Connect
}

func (k *Keeper) instead(partition int) string {
	if k.Fallback {
		return k.writers()[partition]
	}
	return nowhere
}
