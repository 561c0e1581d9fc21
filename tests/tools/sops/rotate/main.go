// Rotate is the strongest peer of kb's rotation: sops as a library, in one process
// on all cores. It re-encrypts every file of a directory under a new data key, with
// one recipient in the place of another, in place.
//
//	SOPS_AGE_KEY=... rotate DIRECTORY OLD-RECIPIENT NEW-RECIPIENT
//
// It finds no file by its recipients, checks no result, asks no cluster, and a crash
// leaves half a file. At the end it syncs the file system.
package main

import (
	"log"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/cmd/sops/common"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keyservice"
	"golang.org/x/sys/unix"
)

func main() {
	directory, old, new := os.Args[1], os.Args[2], os.Args[3]
	paths, err := filepath.Glob(filepath.Join(directory, "*"))
	check(err)
	work := make(chan string)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for path := range work {
				check(rotate(path, old, new))
			}
		})
	}
	for _, path := range paths {
		work <- path
	}
	close(work)
	workers.Wait()
	handle, err := os.Open(directory)
	check(err)
	check(unix.Syncfs(int(handle.Fd())))
}

func rotate(path, old, new string) error {
	services := []keyservice.KeyServiceClient{keyservice.NewLocalClient()}
	store := common.DefaultStoreForPath(config.NewStoresConfig(), path)
	tree, err := common.LoadEncryptedFile(store, path)
	if err != nil {
		return err
	}
	cipher := aes.NewCipher()
	if _, err = common.DecryptTree(common.DecryptTreeOpts{Tree: tree, KeyServices: services, Cipher: cipher}); err != nil {
		return err
	}
	added, err := age.MasterKeyFromRecipient(new)
	if err != nil {
		return err
	}
	group := tree.Metadata.KeyGroups[0]
	for at, key := range group {
		if key.ToString() == old {
			group[at] = added
		}
	}
	key, errs := tree.GenerateDataKeyWithKeyServices(services)
	if len(errs) > 0 {
		return errs[0]
	}
	if err = common.EncryptTree(common.EncryptTreeOpts{DataKey: key, Tree: tree, Cipher: aes.NewCipher()}); err != nil {
		return err
	}
	encrypted, err := store.EmitEncryptedFile(*tree)
	if err != nil {
		return err
	}
	return os.WriteFile(path, encrypted, 0o600)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
