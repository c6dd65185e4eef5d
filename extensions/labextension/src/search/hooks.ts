import { CommandRegistry } from '@lumino/commands';
import { useEffect, useState } from 'react';

import { IPelagos, IPelagosSettings } from '../tokens';

/** Whether a command is there: another plugin brings it, or does not. */
export function useCommand(commands: CommandRegistry, id: string): boolean {
  const [there, setThere] = useState(() => commands.hasCommand(id));
  useEffect(() => {
    const look = () => setThere(commands.hasCommand(id));
    look();
    commands.commandChanged.connect(look);
    return () => {
      commands.commandChanged.disconnect(look);
    };
  }, [commands, id]);
  return there;
}

export function useSettings(pelagos: IPelagos): IPelagosSettings {
  const [settings, setSettings] = useState(pelagos.settings);
  useEffect(() => {
    const take = () => setSettings(pelagos.settings);
    take();
    pelagos.settingsChanged.connect(take);
    return () => {
      pelagos.settingsChanged.disconnect(take);
    };
  }, [pelagos]);
  return settings;
}
