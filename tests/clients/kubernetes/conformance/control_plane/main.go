// One program that holds the parts of a real Kubernetes control plane, each started by its name, so that modelkit can be
// compared with what it stands in for. It comes from the Go module proxy alone; go.sum pins every module.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	parts := map[string]func() int{
		"etcd":               func() int { etcdmain.Main(os.Args); return 0 },
		"apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
		"controller-manager": func() int { return cli.Run(controllers.NewControllerManagerCommand()) },
		"scheduler":          func() int { return cli.Run(scheduler.NewSchedulerCommand()) },
	}
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: control-plane etcd|apiserver|controller-manager|scheduler [flags]")
		os.Exit(2)
	}
	part := parts[os.Args[1]]
	os.Args = os.Args[1:]
	os.Exit(part())
}
