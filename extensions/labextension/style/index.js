import './base.css';
import './common.css';
import './map.css';
import './search.css';
import './granules.css';
import './orders.css';
import './storage.css';
