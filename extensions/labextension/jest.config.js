// JupyterLab's packages are ES modules, so they are transformed too.
const esModules = [
  '@codemirror', '@jupyter', '@jupyterlab', '@lezer', '@marijn', '@microsoft', '@rjsf',
  '@tanstack', 'color-.*', 'exenv-es6', 'geotiff', 'lib0', 'nanoid', 'ol', 'quick-lru', 'rbush',
  'earcut', 'pbf', 'quickselect', 'style-mod', 'vscode-ws-jsonrpc', 'y-.*', 'yjs', 'zstddec'
].join('|');

module.exports = {
  testEnvironment: 'jsdom',
  roots: ['<rootDir>/src'],
  testRegex: '/__tests__/.*\\.spec\\.tsx?$',
  moduleFileExtensions: ['ts', 'tsx', 'js', 'mjs', 'json', 'node'],
  moduleNameMapper: {
    '\\.(css|less)$': '<rootDir>/jest.empty.js',
    '\\.svg(\\?raw)?$': '<rootDir>/jest.svg.js'
  },
  setupFiles: ['<rootDir>/jest.setup.js'],
  transform: {
    '\\.tsx?$': ['ts-jest', { isolatedModules: true, tsconfig: { ...strictless(), module: 'commonjs', moduleResolution: 'node' } }],
    '\\.m?js$': ['ts-jest', { isolatedModules: true, tsconfig: { ...strictless(), module: 'commonjs', moduleResolution: 'node', allowJs: true } }]
  },
  transformIgnorePatterns: [`/node_modules/(?!(${esModules})/)`]
};

// Types are checked by `tsc`; here they are only taken away.
function strictless() {
  return { target: 'es2022', jsx: 'react-jsx', esModuleInterop: true, resolveJsonModule: true };
}
