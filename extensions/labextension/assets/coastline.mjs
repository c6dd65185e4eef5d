// Writes src/map/coastline.json: the land of Natural Earth 1:110m (public domain), as npm's
// `world-atlas` has it. It is stitched for the sphere; projected to a plane it is cut at the
// antimeridian, or lines would cross the whole map. Two decimals are about a kilometre.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { geoEquirectangular } from 'd3-geo';
import { geoProject } from 'd3-geo-projection';
import { feature } from 'topojson-client';

const require = createRequire(import.meta.url);
const topology = JSON.parse(readFileSync(require.resolve('world-atlas/land-110m.json'), 'utf-8'));
const land = feature(topology, topology.objects.land);
// a scale of one degree per unit; y grows downwards in a projection
const plane = geoEquirectangular().scale(180 / Math.PI).translate([0, 0]).precision(0);
const cut = geoProject(land, plane);

const rounded = ([x, y]) => [Math.round(x * 100) / 100, Math.round(-y * 100) / 100];
const polygons = cut.features.flatMap(({ geometry }) =>
  geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates
);
mkdirSync(new URL('../src/map', import.meta.url), { recursive: true });
writeFileSync(
  new URL('../src/map/coastline.json', import.meta.url),
  JSON.stringify({
    type: 'MultiPolygon',
    coordinates: polygons.map(rings => rings.map(ring => ring.map(rounded)))
  })
);
