// judge says what kube-scheduler's own filters make of a placement. It holds a cluster's state and
// runs the pre-filter and filter plugins of kube-scheduler's default profile on it, in this process:
// no API server, no clock, no queue, no scores, no preemption.
//
// usage: judge [FILE...]    files of Kubernetes objects or lists, JSON, read first
//
// One command a line on standard input, one answer a line on standard output. A pod is
// NAMESPACE/NAME. Whatever cannot be done is answered "error WHY", and changes nothing; a list stops
// at the first object that is not taken.
//
//	add JSON             one object or a list of objects (on one line), as the API server gives
//	                     them; one with a known name takes the old one's place. Kinds: Pod, Node,
//	                     Namespace, PersistentVolume, PersistentVolumeClaim, StorageClass, CSINode,
//	                     CSIDriver, CSIStorageCapacity, VolumeAttachment.       ok COUNT
//	load FILE            the same from a file.                                  ok COUNT
//	bind POD NODE        the pod is on that node from now on.                   ok
//	delete KIND NAME     NAME is NAMESPACE/NAME for what lives in one.          ok
//	check POD NODE       would it be accepted there now?  yes
//	                                                      no PLUGIN: REASON
//	any POD              which nodes would accept it now? yes NODE NODE ...
//	                                                      no COUNT PLUGIN: REASON; COUNT ...
//
// check and any change nothing: a test that follows a scheduler says, for each bind in the order in
// which it happened, check, then bind. A pod that is bound is judged as if it were gone from where
// it is, so that the same commands audit a state at rest. Pods that are not bound, or are over
// (Succeeded, Failed), take no room. Nominated nodes are not looked at.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"k8s.io/klog/v2"
)

const lineBytesMax = 1 << 28

func (c *cluster) load(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	count, err := c.add(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return count, nil
}

func answer(c *cluster, line string) (string, error) {
	command, rest, _ := strings.Cut(line, " ")
	words := strings.Fields(rest)
	expect := func(count int, usage string) error {
		if len(words) != count {
			return fmt.Errorf("found '%.80s', expected %s", line, usage)
		}
		return nil
	}
	switch command {
	case "add":
		count, err := c.add([]byte(rest))
		return fmt.Sprintf("ok %d", count), err
	case "load":
		count, err := c.load(rest)
		return fmt.Sprintf("ok %d", count), err
	case "bind":
		if err := expect(2, "bind POD NODE"); err != nil {
			return "", err
		}
		return "ok", c.bind(words[0], words[1])
	case "delete":
		if err := expect(2, "delete KIND NAME"); err != nil {
			return "", err
		}
		return "ok", c.remove(words[0], words[1])
	case "check":
		if err := expect(2, "check POD NODE"); err != nil {
			return "", err
		}
		found, err := c.judge(words[0], words[1])
		if err != nil {
			return "", err
		}
		if len(found.accept) == 1 {
			return "yes", nil
		}
		return "no " + found.reasons[words[1]], nil
	case "any":
		if err := expect(1, "any POD"); err != nil {
			return "", err
		}
		found, err := c.judge(words[0], "")
		if err != nil {
			return "", err
		}
		if len(found.accept) > 0 {
			return "yes " + strings.Join(found.accept, " "), nil
		}
		return "no " + summary(found.reasons), nil
	}
	return "", fmt.Errorf(
		"found '%.80s', expected add, load, bind, delete, check or any", line)
}

// summary counts the reasons, the most frequent first.
func summary(reasons map[string]string) string {
	if len(reasons) == 0 {
		return "nodes at all"
	}
	counts := map[string]int{}
	for _, reason := range reasons {
		counts[reason]++
	}
	var parts []string
	for reason := range counts {
		parts = append(parts, reason)
	}
	sort.Slice(parts, func(i, j int) bool {
		if counts[parts[i]] != counts[parts[j]] {
			return counts[parts[i]] > counts[parts[j]]
		}
		return parts[i] < parts[j]
	})
	for i, reason := range parts {
		parts[i] = fmt.Sprintf("%d %s", counts[reason], reason)
	}
	return strings.Join(parts, "; ")
}

func oneLine(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "\r", " ")
}

func main() {
	klog.LogToStderr(false) // no file either: an answer says all that there is
	klog.SetLogger(klog.Logger{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := newCluster(ctx)
	for _, file := range os.Args[1:] {
		if err == nil {
			_, err = c.load(file)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "judge: %s\n", oneLine(err.Error()))
		os.Exit(2)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<16), lineBytesMax)
	out := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		text, err := answer(c, lines.Text())
		if err != nil {
			text = "error " + err.Error()
		}
		fmt.Fprintln(out, oneLine(text))
		out.Flush()
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintf(os.Stderr, "judge: %s\n", err)
		os.Exit(2)
	}
}
