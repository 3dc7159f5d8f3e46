"""Conan 2 recipe for zc: `conan create packaging/conan`."""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, load
from conan.tools.gnu import PkgConfigDeps
from conan.tools.layout import basic_layout
from conan.tools.meson import Meson, MesonToolchain

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))


class Zc(ConanFile):
    name = 'zc'
    license = 'MIT'
    description = 'Moves bytes between any two Linux file descriptors, from C++20 coroutines, over io_uring'
    settings = 'os', 'arch', 'compiler', 'build_type'
    options = {'shared': [True, False], 'fPIC': [True, False]}
    default_options = {'shared': False, 'fPIC': True}
    package_type = 'library'

    def set_version(self):
        header = load(self, os.path.join(ROOT, 'include/zc/version.hpp'))
        self.version = re.search(r'ZC_VERSION_STRING "(.*)"', header)[1]

    def export_sources(self):
        for each in ('include/*', 'src/*', 'packaging/cmake/*', 'meson.build', 'meson_options.txt', 'LICENSE'):
            copy(self, each, ROOT, self.export_sources_folder)

    def validate(self):
        if self.settings.os != 'Linux':
            raise ConanInvalidConfiguration('zc is for Linux alone')

    def layout(self):
        basic_layout(self)

    def requirements(self):
        self.requires('liburing/[>=2.3]')

    def generate(self):
        PkgConfigDeps(self).generate()
        toolchain = MesonToolchain(self)
        toolchain.project_options['tests'] = 'disabled'
        toolchain.project_options['examples'] = 'disabled'
        toolchain.generate()

    def build(self):
        meson = Meson(self)
        meson.configure()
        meson.build()

    def package(self):
        Meson(self).install()
        copy(self, 'LICENSE', self.source_folder, os.path.join(self.package_folder, 'licenses'))

    def package_info(self):
        self.cpp_info.libs = ['zcsplice']
        self.cpp_info.system_libs = ['pthread']
        self.cpp_info.set_property('pkg_config_name', 'zc')
        self.cpp_info.set_property('cmake_file_name', 'zc')
        self.cpp_info.set_property('cmake_target_name', 'zc::zc')
