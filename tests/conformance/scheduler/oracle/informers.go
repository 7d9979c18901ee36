package main

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/informers/apps"
	"k8s.io/client-go/informers/core"
	"k8s.io/client-go/informers/internalinterfaces"
	"k8s.io/client-go/informers/policy"
	"k8s.io/client-go/informers/resource"
	"k8s.io/client-go/informers/storage"
	"k8s.io/client-go/tools/cache"
)

// informer is a shared informer without a reflector: what is written to it reaches the handlers
// before the call returns, in the order of their registration.
type informer struct {
	cache.SharedIndexInformer // nil: the scheduler uses nothing but what is defined below
	store                     cache.Indexer
	handlers                  []cache.ResourceEventHandler
}

type synced struct{}

func (synced) HasSynced() bool { return true }

func newInformer() *informer {
	return &informer{store: sortedIndexer{cache.NewIndexer(cache.DeletionHandlingMetaNamespaceKeyFunc,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}}
}

func (i *informer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	i.handlers = append(i.handlers, h)
	return synced{}, nil
}

func (i *informer) AddEventHandlerWithOptions(h cache.ResourceEventHandler, _ cache.HandlerOptions) (cache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

func (i *informer) AddIndexers(indexers cache.Indexers) error { return i.store.AddIndexers(indexers) }
func (i *informer) GetIndexer() cache.Indexer                 { return i.store }
func (i *informer) GetStore() cache.Store                     { return i.store }
func (i *informer) HasSynced() bool                           { return true }

// put adds the object or replaces the one of its name.
func (i *informer) put(obj runtime.Object) {
	key := keyOf(obj)
	old, known, _ := i.store.GetByKey(key)
	if !known {
		_ = i.store.Add(obj)
		for _, h := range i.handlers {
			h.OnAdd(obj, false)
		}
		return
	}
	_ = i.store.Update(obj)
	for _, h := range i.handlers {
		h.OnUpdate(old, obj)
	}
}

func (i *informer) remove(key string) {
	old, known, _ := i.store.GetByKey(key)
	if !known {
		return
	}
	_ = i.store.Delete(old)
	for _, h := range i.handlers {
		h.OnDelete(old)
	}
}

func keyOf(obj runtime.Object) string {
	m, err := meta.Accessor(obj)
	if err != nil {
		panic(err)
	}
	if m.GetNamespace() == "" {
		return m.GetName()
	}
	return m.GetNamespace() + "/" + m.GetName()
}

// factory hands out informers of the kind above where client-go's would watch an API server.
type factory struct {
	informers.SharedInformerFactory // nil
	made                            map[reflect.Type]*informer
}

func newFactory() *factory { return &factory{made: map[reflect.Type]*informer{}} }

func (f *factory) of(obj runtime.Object) *informer {
	t := reflect.TypeOf(obj)
	if f.made[t] == nil {
		f.made[t] = newInformer()
	}
	return f.made[t]
}

func (f *factory) InformerFor(obj runtime.Object, _ internalinterfaces.NewInformerFunc) cache.SharedIndexInformer {
	return f.of(obj)
}

func (f *factory) Apps() apps.Interface         { return apps.New(f, "", nil) }
func (f *factory) Core() core.Interface         { return core.New(f, "", nil) }
func (f *factory) Policy() policy.Interface     { return policy.New(f, "", nil) }
func (f *factory) Resource() resource.Interface { return resource.New(f, "", nil) }
func (f *factory) Storage() storage.Interface   { return storage.New(f, "", nil) }
