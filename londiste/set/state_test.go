package set

import "testing"

func TestTransitionsAreEnumerated(t *testing.T) {
	phases := []Phase{None, InCopy, CatchingUp, WannaSync, DoSync, OK}
	want := map[[2]Phase]map[Owner]bool{
		{None, InCopy}:          {Copier: true},
		{InCopy, CatchingUp}:    {Copier: true},
		{CatchingUp, WannaSync}: {Copier: true},
		{WannaSync, DoSync}:     {Main: true},
		{DoSync, OK}:            {Copier: true},
		{DoSync, CatchingUp}:    {Main: true, Copier: true},
		{OK, CatchingUp}:        {Main: true},
		{InCopy, None}:          {Setup: true},
		{CatchingUp, None}:      {Copier: true, Setup: true, Main: true},
		{WannaSync, None}:       {Setup: true},
		{DoSync, None}:          {Copier: true, Setup: true},
		{OK, None}:              {Setup: true},
	}
	for _, from := range phases {
		for _, to := range phases {
			for _, by := range []Owner{Setup, Main, Copier} {
				if got := by.May(from, to); got != want[[2]Phase{from, to}][by] {
					t.Errorf("owner %d from %s to %s: %v", by, from, to, got)
				}
			}
		}
	}
}

func TestStateText(t *testing.T) {
	for _, text := range []string{"in-copy", "catching-up", "wanna-sync:12", "do-sync:9007199254740993", "ok"} {
		s, err := ParseState(&text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := s.String(); got != text {
			t.Errorf("%s came back as %s", text, got)
		}
	}
	if s, err := ParseState(nil); err != nil || s != (State{}) || s.String() != "-" || s.Text() != nil {
		t.Errorf("null: %v %v", s, err)
	}
	old := "?"
	if s, err := ParseState(&old); err != nil || s.Phase != OK {
		t.Errorf("?: %v %v", s, err)
	}
	for _, text := range []string{"", "OK", "ok:1", "wanna-sync", "do-sync:", "do-sync:x", "wanna-sync:1:2", "copying"} {
		if s, err := ParseState(&text); err == nil {
			t.Errorf("%q read as %v", text, s)
		}
	}
}
