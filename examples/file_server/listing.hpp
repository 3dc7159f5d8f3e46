#pragma once

#include <string>

#include "file.hpp"
#include "tree.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace file_server {

/// A page of HTML with what is in a directory: directories first, by name, each with its time and
/// size. Names that begin with a dot are left out, and so is what is no file or directory, and
/// links to what cannot be opened.
///
/// `path` is where `directory` is, as target::path. Both live until it resumes. The directory is
/// read on the calling thread, which others get their turn of now and then.
zc::task<zc::result<std::string>> list_directory(tree& files, const file& directory,
                                                 const std::string& path);

}  // namespace file_server
