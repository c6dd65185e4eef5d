import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { createElement } from 'react';

import { sessionStore } from '../common/store';
import { OrdersModel } from '../model/orders';
import { CommandIDs, IPelagos, IPelagosPanel } from '../tokens';
import { basketIcon, ordersIcon } from './icons';
import { Teller } from './tell';

/** The basket and the orders in the panel, and who tells when an order is ready. */
const orders: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-pelagos:orders',
  description: 'Marine data: the basket, orders and their progress.',
  autoStart: true,
  requires: [IPelagos, IPelagosPanel],
  activate: (app: JupyterFrontEnd, pelagos: IPelagos, panel: IPelagosPanel): void => {
    const model = new OrdersModel(pelagos.api, pelagos.changes);
    const teller = new Teller(pelagos, model, sessionStore());
    pelagos.settingsChanged.connect(() => teller.look());
    void app.restored.then(() => model.start());
    addBasket(pelagos, panel, model);
    panel.add({
      id: 'orders',
      title: pelagos.trans.__('Orders'),
      icon: ordersIcon,
      rank: 30,
      badge: () => model.underWay,
      badgeChanged: model.changed,
      load: async () => {
        const { OrdersSection } = await import('./orders');
        return () => createElement(OrdersSection, { pelagos, model });
      }
    });
  }
};

function addBasket(pelagos: IPelagos, panel: IPelagosPanel, orders: OrdersModel): void {
  panel.add({
    id: 'basket',
    title: pelagos.trans.__('Basket'),
    icon: basketIcon,
    rank: 20,
    badge: () => pelagos.basket.count,
    badgeChanged: pelagos.basket.changed,
    load: async () => {
      const [{ BasketSection }, { CheckoutModel }] = await Promise.all([
        import('./basket'),
        import('./checkout')
      ]);
      const checkout = new CheckoutModel(
        pelagos.api,
        pelagos.basket,
        () => pelagos.about(),
        () => pelagos.settings.orderFolder
      );
      checkout.ordered.connect((_, order) => {
        if (order) {
          orders.put(order);
        } else {
          void orders.load();
        }
        void pelagos.commands.execute(CommandIDs.open, { section: 'orders' });
      });
      return () => createElement(BasketSection, { pelagos, checkout });
    }
  });
}

export const plugins: JupyterFrontEndPlugin<unknown>[] = [orders];
