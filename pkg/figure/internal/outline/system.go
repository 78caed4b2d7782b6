package outline

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Folders returns the folders in which this system keeps its fonts and the user his.
func Folders() []string {
	home, _ := os.UserHomeDir()
	var folders []string
	add := func(root string, path ...string) {
		if root != "" {
			folders = append(folders, filepath.Join(append([]string{root}, path...)...))
		}
	}
	switch runtime.GOOS {
	case "windows":
		add(os.Getenv("LOCALAPPDATA"), "Microsoft", "Windows", "Fonts")
		add(os.Getenv("WINDIR"), "Fonts")
	case "darwin":
		add(home, "Library", "Fonts")
		add("/Library/Fonts")
		add("/System/Library/Fonts")
		add("/System/Library/AssetsV2/com_apple_MobileAsset_Font7") // where PingFang has moved
	default:
		add(os.Getenv("XDG_DATA_HOME"), "fonts")
		add(home, ".local", "share", "fonts")
		add(home, ".fonts")
		for _, data := range filepath.SplitList(os.Getenv("XDG_DATA_DIRS")) {
			add(data, "fonts")
		}
		add("/usr/local/share/fonts")
		add("/usr/share/fonts")
	}
	return folders
}

// fileNames are the files of well-known fonts with many characters, the best first. There are
// none with serifs. Variable fonts come last, because what is read of them is often the
// thinnest weight.
var fileNames = []string{
	// Chinese, Japanese and Korean
	"NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "NotoSansSC-Regular.ttf",
	"SourceHanSans-Regular.ttc", "SourceHanSansSC-Regular.otf", "SourceHanSansCN-Regular.otf",
	"PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Medium.ttc", "STHeiti Light.ttc",
	"msyh.ttc", "msyh.ttf", "simhei.ttf",
	"wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf",
	// traditional Chinese
	"NotoSansCJKtc-Regular.otf", "NotoSansTC-Regular.otf", "NotoSansTC-Regular.ttf",
	"SourceHanSansTC-Regular.otf", "SourceHanSansTW-Regular.otf", "msjh.ttc", "msjh.ttf",
	// Japanese
	"NotoSansCJKjp-Regular.otf", "NotoSansJP-Regular.otf", "NotoSansJP-Regular.ttf",
	"SourceHanSansJP-Regular.otf", "YuGothM.ttc", "meiryo.ttc", "msgothic.ttc", "ipagp.ttf", "ipag.ttf",
	// Korean
	"NotoSansCJKkr-Regular.otf", "NotoSansKR-Regular.otf", "NotoSansKR-Regular.ttf",
	"SourceHanSansKR-Regular.otf", "AppleSDGothicNeo.ttc", "malgun.ttf", "NanumGothic.ttf",
	// other scripts and symbols
	"DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansArmenian-Regular.ttf", "NotoSansGeorgian-Regular.ttf",
	"NotoSansEthiopic-Regular.ttf", "NotoSansCherokee-Regular.ttf", "NotoSansCanadianAboriginal-Regular.ttf",
	"NotoSansYi-Regular.ttf", "NotoSansSymbols-Regular.ttf", "NotoSansSymbols2-Regular.ttf",
	"segoeui.ttf", "seguisym.ttf", "ebrima.ttf", "Arial Unicode.ttf", "simsun.ttc",
	"NotoSansCJK-VF.ttf.ttc", "NotoSansCJK-VF.otf.ttc", "NotoSansCJK-VF.ttc", "NotoSansSC-VF.ttf", "NotoSansSC[wght].ttf",
}

// wellKnown returns the well-known fonts below the folders, the best first.
func wellKnown(folders []string) []string {
	found := map[string]string{} // by name in lower case
	left := 50000                // files and folders to look at
	for _, folder := range folders {
		root, err := filepath.EvalSymlinks(folder)
		if err != nil {
			continue // most of them do not exist
		}
		filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if left--; left < 0 {
				return fs.SkipAll
			}
			if err != nil {
				return nil // not ours to read
			}
			name := strings.ToLower(entry.Name())
			if _, known := found[name]; !known && !entry.IsDir() {
				found[name] = path
			}
			return nil
		})
	}
	var paths []string
	for _, name := range fileNames {
		if path, ok := found[strings.ToLower(name)]; ok {
			paths = append(paths, path)
		}
	}
	return paths
}
