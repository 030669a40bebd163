package dsn

import (
	"net/url"
	"regexp"
	"strings"
)

const blanked = "xxxxx"

var (
	uri  = regexp.MustCompile(`(?i)postgres(?:ql)?://[^\s"'` + "`" + `]*`)
	pair = regexp.MustCompile(`(?is)((?:ssl)?password|oauth_client_secret|scram_(?:client|server)_key)(\s*=\s*)('(?:\\.|[^'\\])*'?|(?:\\.|[^\s\\])*)`)
)

// Redact blanks every password in s, which may be a connection string of
// either form or a longer text with some in it. What cannot be told apart from
// a password goes too.
func Redact(s string) string {
	var b strings.Builder
	for {
		at := uri.FindStringIndex(s)
		if at == nil {
			b.WriteString(redactPairs(s))
			return b.String()
		}
		b.WriteString(redactPairs(s[:at[0]]))
		b.WriteString(redactURI(s[at[0]:at[1]]))
		s = s[at[1]:]
	}
}

func redactPairs(s string) string { return pair.ReplaceAllString(s, "${1}${2}"+blanked) }

func redactURI(s string) string {
	scheme, rest, _ := strings.Cut(s, "://")
	// A password may hold an unencoded @ / ? or #: the last @ ends it.
	at := strings.LastIndexByte(beforeQuery(rest), '@')
	user := ""
	if at >= 0 {
		name, _, hasPassword := strings.Cut(rest[:at], ":")
		user, rest = name+"@", rest[at+1:]
		if hasPassword {
			user = name + ":" + blanked + "@"
		}
	}
	base, query, hasQuery := strings.Cut(rest, "?")
	if !hasQuery {
		return scheme + "://" + user + rest
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		raw, _, _ := strings.Cut(p, "=")
		if key, err := url.PathUnescape(raw); err != nil || isSecret(key) {
			params[i] = raw + "=" + blanked
		}
	}
	return scheme + "://" + user + base + "?" + strings.Join(params, "&")
}

// beforeQuery is rest without a query that looks like one, so that an @ in a
// parameter's value is not taken for the end of a password.
func beforeQuery(rest string) string {
	for i := range rest {
		if rest[i] != '?' {
			continue
		}
		key, _, ok := strings.Cut(rest[i+1:], "=")
		if _, known := words[key]; ok && known {
			return rest[:i]
		}
	}
	return rest
}
