// A client-go informer as controllers use it (WatchList is on by default since 0.35): prints each event that its handlers
// get as one line, and what its cache holds when a line "list" comes on stdin.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

var out sync.Mutex

func say(format string, arguments ...any) {
	out.Lock()
	defer out.Unlock()
	fmt.Printf(format+"\n", arguments...)
}

func text(object any) string {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	config := object.(*corev1.ConfigMap)
	return config.Name + "=" + config.Data["n"]
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client := kubernetes.NewForConfigOrDie(config)
	resync := 24 * time.Hour
	if len(os.Args) > 3 {
		if resync, err = time.ParseDuration(os.Args[3]); err != nil {
			panic(err)
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, resync, informers.WithNamespace(os.Args[2]))
	informer := factory.Core().V1().ConfigMaps().Informer()
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { say("add %s", text(object)) },
		UpdateFunc: func(old, now any) {
			if old.(*corev1.ConfigMap).ResourceVersion == now.(*corev1.ConfigMap).ResourceVersion {
				say("resync %s", text(now))
				return
			}
			say("update %s", text(now))
		},
		DeleteFunc: func(object any) { say("delete %s", text(object)) },
	})
	stop := make(chan struct{})
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	say("synced")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() != "list" {
			continue
		}
		var names []string
		for _, object := range informer.GetStore().List() {
			names = append(names, text(object))
		}
		sort.Strings(names)
		say("list %s", strings.Join(names, " "))
	}
	close(stop)
}
