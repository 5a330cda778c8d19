package main

import (
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// informer is a shared informer that is told its objects by put and remove instead of by a server.
// Its handlers have seen an object when put returns, so that what the plugins know is never behind.
// What plugins do not call is left to the nil interface.
type informer struct {
	cache.SharedIndexInformer
	indexer  cache.Indexer
	handlers []cache.ResourceEventHandler
}

func newInformer(kubernetes.Interface, time.Duration) cache.SharedIndexInformer {
	return &informer{indexer: cache.NewIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}

func (i *informer) put(object any) {
	old, there, _ := i.indexer.Get(object)
	if there {
		i.indexer.Update(object)
		for _, handler := range i.handlers {
			handler.OnUpdate(old, object)
		}
		return
	}
	i.indexer.Add(object)
	for _, handler := range i.handlers {
		handler.OnAdd(object, false)
	}
}

func (i *informer) remove(object any) {
	i.indexer.Delete(object)
	for _, handler := range i.handlers {
		handler.OnDelete(object)
	}
}

func (i *informer) AddEventHandler(
	handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, handler)
	for _, object := range i.indexer.List() {
		handler.OnAdd(object, true)
	}
	return registration{}, nil
}

func (i *informer) AddEventHandlerWithResyncPeriod(handler cache.ResourceEventHandler,
	_ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(handler)
}

func (i *informer) AddEventHandlerWithOptions(handler cache.ResourceEventHandler,
	_ cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(handler)
}

func (i *informer) GetStore() cache.Store                     { return i.indexer }
func (i *informer) GetIndexer() cache.Indexer                 { return i.indexer }
func (i *informer) AddIndexers(indexers cache.Indexers) error { return i.indexer.AddIndexers(indexers) }
func (i *informer) HasSynced() bool                           { return true }
func (i *informer) HasSyncedChecker() cache.DoneChecker       { return registration{} }
func (i *informer) LastSyncResourceVersion() string           { return "" }
func (i *informer) IsStopped() bool                           { return false }

// registration is of a handler that has seen everything already.
type registration struct{}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (registration) HasSynced() bool                     { return true }
func (registration) HasSyncedChecker() cache.DoneChecker { return registration{} }
func (registration) Name() string                        { return "judge" }
func (registration) Done() <-chan struct{}               { return closed }
