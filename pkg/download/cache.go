package download

import (
	"fmt"
	"os"
	"path/filepath"
)

// CacheDir returns the folder for downloads: $RESIDUAL_CACHE if it is set, otherwise the folder
// residual in the user's cache folder ([os.UserCacheDir]). It may not exist yet.
func CacheDir() (string, error) {
	if dir := os.Getenv("RESIDUAL_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w; set RESIDUAL_CACHE", err)
	}
	return filepath.Join(dir, "residual"), nil
}
