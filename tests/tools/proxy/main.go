// Proxy says which proxy Go's HTTP client takes: for each question, a line of JSON, a line
// with the answer. It is the judge of kb's own choice.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

type question struct {
	HTTPS, HTTP, No, Server string
	CGI                     bool
}

type proxy struct {
	Scheme, Host, Port, User, Password string
}

type answer struct {
	// Proxy is null for a direct connection.
	Proxy *proxy
	// Refused says that the environment is not to be trusted.
	Refused bool
	// Excepted says that no proxy would be used, however it is written.
	Excepted bool
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		check(json.Unmarshal(lines.Bytes(), &asked))
		check(answers.Encode(judge(asked)))
	}
	check(lines.Err())
}

func judge(asked question) (answer answer) {
	server, err := url.Parse(asked.Server)
	check(err)
	chosen := func(https, http string, cgi bool) *url.URL {
		config := httpproxy.Config{HTTPSProxy: https, HTTPProxy: http, NoProxy: asked.No, CGI: cgi}
		chosen, err := config.ProxyFunc()(server)
		answer.Refused = answer.Refused || err != nil
		return chosen
	}
	const any = "http://any.invalid"
	answer.Excepted = chosen(any, any, false) == nil
	if found := chosen(asked.HTTPS, asked.HTTP, asked.CGI); found != nil {
		password, _ := found.User.Password()
		answer.Proxy = &proxy{found.Scheme, found.Hostname(), found.Port(), found.User.Username(), password}
	}
	return answer
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
