export interface IUpload {
  name: string;
  reason: string;
  tries: number;
  next_try: number;
}

export interface IWorkspaceStatus {
  state: 'mounted' | 'mounting' | 'unavailable' | 'leaving' | 'absent';
  reason: string;
  pending: number;
  pending_bytes: number;
  failed: IUpload[];
  used: number | null;
  total: number | null;
}

export interface IAreaStatus {
  name: string;
  used: number | null;
  quota: number | null;
  enforced: boolean;
  state: string;
  reason: string;
  /** Seconds after the last change. */
  expires_after: number;
  /** Unix times, soonest first. */
  next: { path: string; expires: number }[];
  pins: { path: string; until: number }[];
}

/** A copy from dataspace to workspace. `progress` from 0 to 1, null if unknown. */
export interface IKeeping {
  id: string;
  area: string;
  path: string;
  state: 'running' | 'done' | 'failed';
  message: string;
  started: string;
}

/** `killed`: kernels that this server lost for want of memory since it started. */
export interface IServerStatus {
  cores: number;
  memory_limit: number | null;
  memory_used: number | null;
  home_free: number | null;
  home_total: number | null;
  killed: number;
  killed_at: string | null;
}

/** Storage and server at a glance. `reason` says why workspace and dataspace are not told of. */
export interface IStorage {
  workspace: IWorkspaceStatus | null;
  dataspace: { areas: IAreaStatus[] } | null;
  reason: string;
  mend: string;
  keeping: IKeeping[];
  server: IServerStatus;
}

/** What this server is and can. */
export interface IAbout {
  version: string;
  /** Whether a VRE's services are behind it. */
  hub: boolean;
  /** Configured catalogue: `vre`, `url` (a STAC API of the server's configuration) or `none`. */
  catalogue: 'vre' | 'url' | 'none';
  catalogue_url: string;
  /** Whether the VRE's data pool takes orders; else they go into a folder. */
  datapool: boolean;
  workspace: boolean;
  dataspace: boolean;
  virtual_lab: string;
  virtual_lab_title: string;
  /** Absolute path that the file browser shows as its root. */
  root: string;
  /** Pages of the hub for a person, by name; without a hub none. */
  links: { home?: string; storage?: string; orders?: string; catalogue?: string };
}

/** What changed, as a Jupyter event: never more than a reason to ask. */
export interface IChange {
  kind: 'order' | 'basket' | 'storage' | 'memory';
  id: string;
  sequence: number;
}
