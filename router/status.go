package router

import "time"

// Status is what is known of the root and the replicas, and how many reads each
// got.
type Status struct {
	Root     RootStatus      `json:"root"`
	Replicas []ReplicaStatus `json:"replicas"`
}

// RootStatus is the provider's.
type RootStatus struct {
	Answers bool   `json:"answers"`
	Error   string `json:"error,omitempty"` // of the last look
	Tick    int64  `json:"last_tick"`
	Reads   int64  `json:"reads"`
}

// ReplicaStatus is one subscriber's. Its rows are known to be the root's as of
// Age ago; nil says that it gets no reads, and Why.
type ReplicaStatus struct {
	Name   string   `json:"name"`
	Weight int      `json:"weight"`
	Tick   int64    `json:"tick"`
	Age    *float64 `json:"age_seconds"`
	Why    string   `json:"why,omitempty"`
	Reads  int64    `json:"reads"`
}

// Status tells how things stand, without asking a database.
func (r *Router) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	st := Status{Root: RootStatus{
		Answers: r.rootErr == nil && now.Sub(r.rootSeen) <= r.silence(), Tick: int64(r.past.last), Reads: r.rootReads,
	}}
	if r.rootErr != nil {
		st.Root.Error = r.rootErr.Error()
	}
	for _, s := range r.replicas {
		one := ReplicaStatus{Name: s.Name, Weight: s.Weight, Tick: int64(s.Position), Reads: s.reads}
		age, why := r.age(s, now)
		if one.Why = why; why == "" {
			seconds := age.Seconds()
			one.Age = &seconds
		}
		st.Replicas = append(st.Replicas, one)
	}
	return st
}
