package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	configv1 "k8s.io/kube-scheduler/config/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	configscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	schedulercache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	"k8s.io/kubernetes/pkg/scheduler/profile"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
)

// cluster is the state that kube-scheduler would know, and its plugins on top of it. Pods and nodes
// are in the scheduler's own cache, everything else in informers.
type cluster struct {
	ctx       context.Context
	factory   informers.SharedInformerFactory
	informers map[string]*informer // by kind
	cache     schedulercache.Cache
	snapshot  *schedulercache.Snapshot
	plugins   framework.Framework
	pods      map[string]*corev1.Pod // by namespace/name; bound and pending
	nodes     map[string]*corev1.Node
	version   int
}

// kinds that informers hold. Pods and nodes are here too, for the plugins that list them.
var kinds = map[string]runtime.Object{
	"Pod":                   &corev1.Pod{},
	"Node":                  &corev1.Node{},
	"Namespace":             &corev1.Namespace{},
	"PersistentVolume":      &corev1.PersistentVolume{},
	"PersistentVolumeClaim": &corev1.PersistentVolumeClaim{},
	"StorageClass":          &storagev1.StorageClass{},
	"CSINode":               &storagev1.CSINode{},
	"CSIDriver":             &storagev1.CSIDriver{},
	"CSIStorageCapacity":    &storagev1.CSIStorageCapacity{},
	"VolumeAttachment":      &storagev1.VolumeAttachment{},
}

var namespaced = map[string]bool{
	"Pod": true, "PersistentVolumeClaim": true, "CSIStorageCapacity": true,
}

func newCluster(ctx context.Context) (*cluster, error) {
	metrics.Register() // the cache writes some from a goroutine of its own, at once
	client := fake.NewClientset()
	c := &cluster{
		ctx:       ctx,
		factory:   informers.NewSharedInformerFactory(client, 0),
		informers: map[string]*informer{},
		cache:     schedulercache.New(ctx, nil, false, false),
		snapshot:  schedulercache.NewEmptySnapshot(),
		pods:      map[string]*corev1.Pod{},
		nodes:     map[string]*corev1.Node{},
	}
	// The factory keeps the first informer of a type, and is never started.
	for kind, object := range kinds {
		c.informers[kind] = c.factory.InformerFor(object, newInformer).(*informer)
	}

	var versioned configv1.KubeSchedulerConfiguration
	configscheme.Scheme.Default(&versioned)
	var configuration config.KubeSchedulerConfiguration
	if err := configscheme.Scheme.Convert(&versioned, &configuration, nil); err != nil {
		return nil, err
	}
	logger := klog.FromContext(ctx)
	claims := assumecache.NewAssumeCache(
		logger, c.factory.Resource().V1().ResourceClaims().Informer(), "ResourceClaim", "", nil)
	slices, err := tracker.StartTracker(ctx, tracker.Options{
		SliceInformer: c.factory.Resource().V1().ResourceSlices(), KubeClient: client})
	if err != nil {
		return nil, err
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	profiles, err := profile.NewMap(ctx, configuration.Profiles, plugins.NewInTreeRegistry(),
		profile.NewRecorderFactory(broadcaster),
		frameworkruntime.WithClientSet(client),
		frameworkruntime.WithInformerFactory(c.factory),
		frameworkruntime.WithSharedDRAManager(
			dynamicresources.NewDRAManager(ctx, claims, slices, c.factory)),
		frameworkruntime.WithSharedCSIManager(
			nodevolumelimits.NewCSIManager(c.factory.Storage().V1().CSINodes().Lister())),
		frameworkruntime.WithSnapshotSharedLister(c.snapshot),
		frameworkruntime.WithMutableSnapshotLister(c.snapshot),
		frameworkruntime.WithPodGroupManager(c.cache),
		frameworkruntime.WithWaitingPods(frameworkruntime.NewWaitingPodsMap()),
		frameworkruntime.WithPodsInPreBind(frameworkruntime.NewPodsInPreBindMap()))
	if err != nil {
		return nil, err
	}
	c.plugins = profiles[corev1.DefaultSchedulerName]
	return c, nil
}

// add takes an object, or a list of any kind, and returns how many objects it was.
func (c *cluster) add(text []byte) (int, error) {
	object, _, err := clientscheme.Codecs.UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		return 0, err
	}
	if list, ok := object.(*corev1.List); ok { // what kubectl prints: of any kinds
		count := 0
		for _, item := range list.Items {
			added, err := c.add(item.Raw)
			if err != nil {
				return count, err
			}
			count += added
		}
		return count, nil
	}
	if !meta.IsListType(object) {
		return 1, c.put(object)
	}
	return meta.LenList(object), meta.EachListItem(object, c.put)
}

// put adds the object or takes the place of the one that has its name.
func (c *cluster) put(object runtime.Object) error {
	legacyscheme.Scheme.Default(object) // as the API server would have
	accessor, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	kind, err := kindOf(object)
	if err != nil {
		return err
	}
	if namespaced[kind] && accessor.GetNamespace() == "" {
		accessor.SetNamespace(corev1.NamespaceDefault)
	}
	if accessor.GetUID() == "" {
		accessor.SetUID(types.UID(kind + "/" + accessor.GetNamespace() + "/" + accessor.GetName()))
	}
	// The assume caches of the volume plugins take an object only if it is newer.
	c.version++
	accessor.SetResourceVersion(strconv.Itoa(c.version))

	switch object := object.(type) {
	case *corev1.Node:
		if old := c.nodes[object.Name]; old != nil {
			c.cache.UpdateNode(klog.FromContext(c.ctx), old, object)
		} else {
			c.cache.AddNode(klog.FromContext(c.ctx), object)
		}
		c.nodes[object.Name] = object
	case *corev1.Pod:
		if old := c.pods[podKey(object)]; old != nil {
			if err := c.leave(old); err != nil {
				return err
			}
		}
		c.pods[podKey(object)] = object
		if err := c.enter(object); err != nil {
			return err
		}
	}
	c.informers[kind].put(object)
	return nil
}

func (c *cluster) remove(kind, name string) error {
	store, ok := c.informers[kind]
	if !ok {
		return fmt.Errorf("kind: found '%s', expected one of %s", kind, strings.Join(kindNames(), ", "))
	}
	object, there, err := store.indexer.GetByKey(name)
	if err != nil || !there {
		return fmt.Errorf("found no %s '%s'", kind, name)
	}
	switch object := object.(type) {
	case *corev1.Node:
		if err := c.cache.RemoveNode(klog.FromContext(c.ctx), object); err != nil {
			return err
		}
		delete(c.nodes, name)
	case *corev1.Pod:
		if err := c.leave(object); err != nil {
			return err
		}
		delete(c.pods, name)
	}
	store.remove(object)
	return nil
}

func (c *cluster) bind(name, node string) error {
	pod, ok := c.pods[name]
	if !ok {
		return fmt.Errorf("found no pod '%s'", name)
	}
	if pod.Spec.NodeName != "" {
		return fmt.Errorf("pod '%s' is bound to '%s' already", name, pod.Spec.NodeName)
	}
	if c.nodes[node] == nil {
		return fmt.Errorf("found no node '%s'", node)
	}
	bound := pod.DeepCopy()
	bound.Spec.NodeName = node
	return c.put(bound)
}

// counts says whether kube-scheduler counts the pod on its node: bound, and not over.
func counts(pod *corev1.Pod) bool {
	return pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodSucceeded &&
		pod.Status.Phase != corev1.PodFailed
}

func (c *cluster) enter(pod *corev1.Pod) error {
	if !counts(pod) {
		return nil
	}
	return c.cache.AddPod(klog.FromContext(c.ctx), pod)
}

func (c *cluster) leave(pod *corev1.Pod) error {
	if !counts(pod) {
		return nil
	}
	return c.cache.RemovePod(klog.FromContext(c.ctx), pod)
}

// verdict is of one pod: the nodes that accept it, and why each other one does not.
type verdict struct {
	accept  []string
	reasons map[string]string // by node
}

// judge runs the pre-filters and the filters for a pod on some nodes, or all of them. A pod that is
// bound is judged as if it were not there.
func (c *cluster) judge(name string, only string) (*verdict, error) {
	pod, ok := c.pods[name]
	if !ok {
		return nil, fmt.Errorf("found no pod '%s'", name)
	}
	if only != "" && c.nodes[only] == nil {
		return nil, fmt.Errorf("found no node '%s'", only)
	}
	if counts(pod) {
		if err := c.leave(pod); err != nil {
			return nil, err
		}
		defer c.enter(pod)
	}
	candidate := pod.DeepCopy()
	candidate.Spec.NodeName = ""
	if err := c.cache.UpdateSnapshot(klog.FromContext(c.ctx), c.snapshot); err != nil {
		return nil, err
	}
	infos, err := c.snapshot.NodeInfos().List()
	if err != nil {
		return nil, err
	}
	if only != "" {
		info, err := c.snapshot.NodeInfos().Get(only)
		if err != nil {
			return nil, err
		}
		infos = []fwk.NodeInfo{info}
	}

	state := framework.NewCycleState()
	allowed, status, _ := c.plugins.RunPreFilterPlugins(c.ctx, state, candidate)
	if status.Code() == fwk.Error {
		return nil, status.AsError()
	}
	found := &verdict{reasons: map[string]string{}}
	for _, info := range infos {
		node := info.Node().Name
		result := status
		if result.IsSuccess() {
			if !allowed.AllNodes() && !allowed.NodeNames.Has(node) {
				result = fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "not among the nodes of PreFilter")
			} else {
				result = c.plugins.RunFilterPlugins(c.ctx, state, candidate, info)
			}
		}
		if result.Code() == fwk.Error {
			return nil, result.AsError()
		}
		if result.IsSuccess() {
			found.accept = append(found.accept, node)
		} else {
			found.reasons[node] = reason(result)
		}
	}
	sort.Strings(found.accept)
	return found, nil
}

func reason(status *fwk.Status) string {
	plugin := status.Plugin()
	if plugin == "" {
		plugin = "PreFilter"
	}
	return plugin + ": " + strings.Join(status.Reasons(), ", ")
}

func podKey(pod *corev1.Pod) string {
	return cache.MetaObjectToName(pod).String()
}

func kindOf(object runtime.Object) (string, error) {
	found, _, err := clientscheme.Scheme.ObjectKinds(object)
	if err != nil {
		return "", err
	}
	if _, ok := kinds[found[0].Kind]; !ok {
		return "", fmt.Errorf(
			"kind: found '%s', expected one of %s", found[0].Kind, strings.Join(kindNames(), ", "))
	}
	return found[0].Kind, nil
}

func kindNames() []string {
	var names []string
	for kind := range kinds {
		names = append(names, kind)
	}
	sort.Strings(names)
	return names
}
