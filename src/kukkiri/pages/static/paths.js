// File paths of POSIX and Windows.

// "\" is a letter like any other in a POSIX name.
export function separatorOf(paths) {
  return paths.some((path) => path.includes("/")) ? "/" : "\\";
}

// The folder part of a path, with its last separator; "" if there is none.
export function folderOf(path, separator) {
  return path.slice(0, path.lastIndexOf(separator) + 1);
}

// The longest folder that all paths lie in.
export function commonFolder(paths, separator) {
  let common = paths.length ? folderOf(paths[0], separator) : "";
  for (const path of paths) {
    while (!path.startsWith(common)) common = folderOf(common.slice(0, -1), separator);
  }
  return common;
}
